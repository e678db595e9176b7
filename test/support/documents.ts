import { VectorStore } from '../../src/databases/vector-stores/vector-store.js';
import type { ApiClient } from './api-client.js';
import { blobsOf } from './disk.js';
import { eventually, type Tenant } from './factories.js';
import { reconcile } from './reconciliation.js';
import type { TestApp } from './test-app.js';

interface DocumentRow {
  id: string;
  state: string;
  version: number;
  chunk_count: number;
  blob_key: string;
  is_served: boolean;
}

/** What the rows of a tenant's documents, all of them at rest, say there must be, beside what there is. */
async function compare(server: TestApp, { tenantId, userId }: Tenant): Promise<{ expected: object; seen: object; unsettled: number }> {
  const query = <Row>(sql: string) => server.database.query<Row & Record<string, unknown>>(sql, [tenantId]);
  const rows = await query<DocumentRow>(
    `SELECT id, state, version, chunk_count, blob_key, state IN ('INGESTED', 'DEPRECATED') AS is_served FROM documents WHERE tenant_id = $1`,
  );
  const [[chunks], contents, vectors, files] = await Promise.all([
    query<{ n: number; current: number }>(`SELECT count(*)::int AS n, count(d.id)::int AS current FROM document_chunks c LEFT JOIN documents d ON d.id = c.document_id AND d.version = c.version WHERE c.tenant_id = $1`),
    query<{ document_id: string }>('SELECT document_id FROM document_contents WHERE tenant_id = $1'),
    server.app.get(VectorStore, { strict: false }).count(`user_${userId}_default`, tenantId),
    blobsOf(server),
  ]);
  const served = rows.filter((row) => row.is_served);
  const points = served.reduce((sum, row) => sum + row.chunk_count, 0);
  return {
    unsettled: rows.filter(({ state }) => !['INGESTED', 'DEPRECATED', 'FAILED'].includes(state)).length,
    expected: {
      vectors: points,
      chunks: { n: points, current: points },
      contents: served.map(({ id }) => id).toSorted(),
      files: [...rows.map((row) => row.blob_key), ...served.map(({ id, version }) => `${tenantId}/${id}.${version}.text`)].toSorted(),
    },
    seen: { vectors, chunks, contents: contents.map((row) => row.document_id).toSorted(), files: files.filter((name) => name.startsWith(tenantId) || name.startsWith('incoming')) },
  };
}

/** Waits until nothing is in flight, and there is exactly what the rows say: vectors, chunks, contents, files and counters. */
export async function expectWhole(server: TestApp, admin: ApiClient, tenant: Tenant, withinMs = 20_000): Promise<void> {
  const at = () => compare(server, tenant);
  const settled = await eventually(at, ({ unsettled }) => unsettled === 0, 60_000);
  const last = await eventually(at, ({ expected, seen }) => JSON.stringify(expected) === JSON.stringify(seen), withinMs).catch(() => null);
  const { expected, seen } = last ?? (await at());
  expect(settled.unsettled).toBe(0);
  expect(seen).toEqual(expected);
  expect((await reconcile(admin, { tenant_id: tenant.tenantId })).drifts).toEqual([]);
}
