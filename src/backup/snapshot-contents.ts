import { physicalName } from '../databases/collections/collections.service.js';
import { remoteTextKey, textKey } from '../documents/versions/blob-keys.js';
import type { DatabaseSnapshot } from '../persistence/database-snapshot.js';

const PAGE = 1000;

/** A collection of the built-in store that the rows need. */
export interface NeededCollection {
  name: string;
  tenantId: string;
  databaseId: string;
  /** And not one that a reindex is making. */
  isServed: boolean;
}

/** The points of a document that the rows need. */
export interface NeededVersions {
  versions: number[];
  /** Of the first version, how many points readers expect; null when none is served. */
  servedPoints: number | null;
}

/** The files of a document: what it cannot do without, and what is there or not, as far as it has come. */
export interface NeededFiles {
  originals: string[];
  others: string[];
}

/** What the rows of a snapshot say that there is in the stores beside the database. Of tenants that are being purged nothing is needed any more. */
export class SnapshotContents {
  constructor(private readonly snapshot: DatabaseSnapshot) {}

  async collections(): Promise<NeededCollection[]> {
    const rows = await this.snapshot.query<{ tenant_id: string; database_id: string; collection_name: string; generation: number; is_served: boolean }>(
      `SELECT d.tenant_id, d.id AS database_id, d.collection_name, g.generation, g.is_served
         FROM databases d JOIN tenants t ON t.id = d.tenant_id
         CROSS JOIN LATERAL (SELECT d.generation, true AS is_served
                             UNION ALL SELECT r.generation, false FROM reindexes r WHERE r.tenant_id = d.tenant_id AND r.database_id = d.id AND r.status = 'RUNNING') g
        WHERE d.server_type = 'EMBEDDED' AND t.purge_requested_at IS NULL ORDER BY d.tenant_id, d.id, g.generation`,
    );
    return rows.map((row) => ({ name: physicalName(row.collection_name, row.generation), tenantId: row.tenant_id, databaseId: row.database_id, isServed: row.is_served }));
  }

  async versions({ tenantId, databaseId }: NeededCollection): Promise<Map<string, NeededVersions>> {
    const rows = await this.snapshot.query<{ id: string; versions: number[]; served_points: number | null }>(
      `SELECT id, array_remove(ARRAY[version, (next ->> 'version')::int], NULL) AS versions,
              CASE WHEN state IN ('INGESTED', 'DEPRECATED') OR next IS NOT NULL THEN chunk_count END AS served_points
         FROM documents WHERE tenant_id = $1 AND database_id = $2 AND state NOT IN ('DELETED', 'FAILED')`,
      [tenantId, databaseId],
    );
    return new Map(rows.map(({ id, versions, served_points: servedPoints }) => [id, { versions, servedPoints }]));
  }

  /** Of documents that are to be removed none is needed. */
  async *files(): AsyncGenerator<NeededFiles[]> {
    for (let after = ['00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000']; ; ) {
      const rows = await this.snapshot.query<{ tenant_id: string; id: string; originals: string[]; versions: number[] }>(
        `SELECT d.tenant_id, d.id, array_remove(ARRAY[d.blob_key, d.next ->> 'blobKey'], NULL) AS originals, array_remove(ARRAY[d.version, (d.next ->> 'version')::int], NULL) AS versions
           FROM documents d JOIN tenants t ON t.id = d.tenant_id
          WHERE (d.tenant_id, d.id) > ($1, $2) AND d.state <> 'DELETED' AND t.purge_requested_at IS NULL ORDER BY d.tenant_id, d.id LIMIT ${PAGE}`,
        after,
      );
      yield rows.map(({ tenant_id: tenantId, id, originals, versions }) => ({
        originals: [...new Set(originals)],
        others: [...[...new Set(originals)].map(remoteTextKey), ...versions.map((version) => textKey(tenantId, id, version))],
      }));
      if (rows.length < PAGE) return;
      after = [rows.at(-1)!.tenant_id, rows.at(-1)!.id];
    }
  }

  async databasesOnOwnServers(): Promise<number> {
    const [row] = await this.snapshot.query<{ n: number }>(`SELECT count(*)::int AS n FROM databases WHERE server_type <> 'EMBEDDED'`);
    return row!.n;
  }
}
