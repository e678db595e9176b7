import { PostgresConnections } from './pgvector.connections.js';
import type { PostgresServer, Sql, SqlConnections } from './pgvector.connections.js';
import { isUndefinedTable } from './pgvector.errors.js';
import {
  columnsOf, createTable, exactNearest, indexedNearest, insertPoints, matching, quoteIdentifier, tableName, vectorLiteral, whereDocument, whereQuery, wordFrequencies, wordQuery,
} from './pgvector.sql.js';
import type { Collection, Filter } from './pgvector.sql.js';
import { fuse, inOrder } from './ranking.js';
import { VectorServerFailure } from './remote-failure.js';
import { requireVersion } from './server-version.js';
import { checkCollectionName, checkCollectionPrefix, checkPoints, checkVector, checkVersions } from './vector-checks.js';
import { CollectionMissing, VectorDimensionMismatch, VectorDistanceMismatch } from './vector-store.errors.js';
import { DISTANCES, VectorStore } from './vector-store.js';
import type { Capacities, CollectionOptions, Distance, DocumentScope, VectorHit, VectorPoint, VectorQuery, VersionRange, VersionScope } from './vector-store.js';
import { wordsOf } from './words.js';

export interface PgVectorTuning {
  /** Of the tables; created when missing. `morag` */
  schema?: string;
  /** So many vectors of a question's tenant and documents are measured one by one rather than looked for in the index: exact, and as fast; 10,000. */
  measuredRows?: number;
}

export type PgVectorOptions = PostgresServer & PgVectorTuning;

/** The first with iterative scans, without which a filter leaves too few of what the index yields. */
const OLDEST = [0, 8] as const;
/** Of vectors in one statement, each up to twenty characters long. */
const NUMBERS_PER_INSERT = 200_000;
const MAX_POINTS_PER_INSERT = 500;
/** Of a question; the first ones. */
const MAX_QUERY_WORDS = 64;
/** A word that so many chunks hold adds to the score of others, and selects none while there is a rarer one. */
const COMMON_WORD = 10_000;

interface Extension {
  version: string;
  /** Which holds its types and operators. */
  schema: string;
}

interface Row {
  id: string;
  document_id: string;
  version: number;
  chunk_index: number;
  distance: number;
  score: number;
}

const SIMILARITY: Record<Distance, (distance: number) => number> = {
  // A vector of zeros has no direction, and a distance that is no number.
  cosine: (distance) => (Number.isNaN(distance) ? 0 : Math.max(-1, Math.min(1, 1 - distance))),
  // The operator negates, so that the least is the nearest.
  dot: (distance) => 0 - distance,
  euclidean: (distance) => 1 / (1 + distance),
};

/** PostgreSQL with the extension pgvector: one table a collection, in a schema of our own. */
export class PgVectorStore extends VectorStore {
  /** HNSW serves up to 4,000 dimensions, above 2,000 in half precision; beyond, every vector of a tenant is measured. */
  override readonly capacities: Capacities = { keyword: true, maxDimensions: 16_000, distances: DISTANCES };
  private extension: Promise<Extension> | undefined;

  private constructor(
    private readonly connections: SqlConnections,
    private readonly schema: string,
    private readonly measuredRows: number,
  ) {
    super();
  }

  /** Connects at the first use. */
  static async open(options: PgVectorOptions): Promise<PgVectorStore> {
    return PgVectorStore.over(new PostgresConnections(options), options);
  }

  /** Over connections of another kind, such as an embedded PostgreSQL. */
  static over(connections: SqlConnections, { schema = 'morag', measuredRows = 10_000 }: PgVectorTuning = {}): PgVectorStore {
    return new PgVectorStore(connections, schema, measuredRows);
  }

  override async ensureCollection(name: string, { dimensions, distance = 'cosine' }: CollectionOptions): Promise<void> {
    checkCollectionName(name);
    await this.inTransaction('', async (sql) => {
      await this.ensureSchema(sql);
      await lock(sql, this.tableOf(name));
      const existing = await this.find(sql, name);
      if (!existing) {
        const comment = JSON.stringify({ collection: name, distance });
        for (const statement of createTable({ table: this.tableOf(name), dimensions, distance }, comment)) await sql.query(statement);
        return;
      }
      if (existing.dimensions !== dimensions) throw new VectorDimensionMismatch(existing.dimensions, dimensions);
      if (existing.distance !== distance) throw new VectorDistanceMismatch(existing.distance, distance);
    });
  }

  override async dropCollection(name: string): Promise<void> {
    checkCollectionName(name);
    await this.inTransaction('', (sql) => sql.query(`DROP TABLE IF EXISTS ${this.tableOf(name)}`));
  }

  override async dropCollections(prefix: string): Promise<number> {
    checkCollectionPrefix(prefix);
    const names = await this.inTransaction('', async (sql) => {
      const { rows } = await sql.query<{ comment: string | null }>(
        `SELECT obj_description(oid, 'pg_class') AS comment FROM pg_class WHERE relkind = 'r' AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)`,
        [this.schema],
      );
      return rows.flatMap(({ comment }) => readComment(comment)?.collection ?? []).filter((name) => name.startsWith(prefix));
    });
    for (const name of names) await this.dropCollection(name);
    return names.length;
  }

  override async replaceDocument(collection: string, version: VersionScope, points: readonly VectorPoint[]): Promise<void> {
    const written = await this.onCollection(collection, '', false, async (sql, { table, dimensions }) => {
      checkPoints(version, points, dimensions);
      // A second writer of the same points waits here, and then sees what it replaces.
      await lock(sql, JSON.stringify([table, version.tenantId, version.documentId]));
      const { tenantId, documentId } = version;
      const scope = [tenantId, documentId, version.version];
      await sql.query(`DELETE FROM ${table} WHERE tenant_id = $1 AND document_id = $2 AND version = $3`, scope);
      const batch = Math.max(1, Math.min(MAX_POINTS_PER_INSERT, Math.floor(NUMBERS_PER_INSERT / dimensions)));
      for (let at = 0; at < points.length; at += batch) await sql.query(insertPoints(table), [...scope, ...columnsOf(points.slice(at, at + batch))]);
      return true;
    });
    if (!written) throw new CollectionMissing(collection);
  }

  override async deleteDocument(collection: string, document: DocumentScope, versions: VersionRange = {}): Promise<void> {
    checkVersions(versions);
    await this.onCollection(collection, '', undefined, async (sql, { table }) => {
      const { sql: where, values } = whereDocument(document, versions);
      await sql.query(`DELETE FROM ${table} WHERE ${where}`, values);
    });
  }

  override async search(collection: string, query: VectorQuery): Promise<VectorHit[]> {
    const { mode, limit } = query;
    if (limit < 1 || query.documentIds?.length === 0) return [];
    const wanted = mode === 'hybrid' ? Math.max(limit * 2, 100) : limit;
    // Both lists from one state of the data, and without the compiler, which takes longer than such a statement.
    const settings = `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off;
      SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = ${Math.max(100, Math.min(1000, wanted * 2))}`;
    return this.onCollection(collection, settings, [], async (sql, found) => {
      const byVector = mode === 'keyword' ? [] : await nearest(sql, found, query, { limit: wanted, measuredRows: this.measuredRows });
      const byKeyword = mode === 'vector' ? [] : await matches(sql, found, query, wanted);
      const hits = mode === 'hybrid' ? fuse(byVector, byKeyword) : [...byVector, ...byKeyword];
      return hits.slice(0, limit);
    });
  }

  override async count(collection: string, tenantId: string): Promise<number> {
    return this.onCollection(collection, '', 0, async (sql, { table }) => {
      const { rows } = await sql.query<{ count: number }>(`SELECT count(*)::integer AS count FROM ${table} WHERE tenant_id = $1`, [tenantId]);
      return rows[0]!.count;
    });
  }

  /** @returns the version of the extension */
  override async ping(): Promise<{ latencyMs: number; version: string }> {
    const start = performance.now();
    this.extension = undefined;
    const version = await this.inTransaction('', async (sql, extension) => {
      await this.ensureSchema(sql);
      return extension.version;
    });
    return { latencyMs: performance.now() - start, version };
  }

  override async close(): Promise<void> {
    await this.connections.close();
  }

  private tableOf(collection: string): string {
    return `${quoteIdentifier(this.schema)}.${quoteIdentifier(tableName(collection))}`;
  }

  private async ensureSchema(sql: Sql): Promise<void> {
    const { rows } = await sql.query('SELECT FROM pg_namespace WHERE nspname = $1', [this.schema]);
    // Asked for first: to create what exists needs the right to create.
    if (rows.length > 0) return;
    await lock(sql, this.schema);
    await sql.query(`CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(this.schema)}`);
  }

  private async find(sql: Sql, collection: string): Promise<Collection | undefined> {
    const { rows } = await sql.query<{ dimensions: number; comment: string | null }>(
      `SELECT atttypmod AS dimensions, obj_description(attrelid, 'pg_class') AS comment FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'embedding'`,
      [this.tableOf(collection)],
    );
    const distance = readComment(rows[0]?.comment)?.distance;
    return rows[0] && distance && { table: this.tableOf(collection), dimensions: rows[0].dimensions, distance };
  }

  private async onCollection<T>(name: string, settings: string, absent: T, work: (sql: Sql, collection: Collection) => Promise<T>): Promise<T> {
    checkCollectionName(name);
    try {
      return await this.inTransaction(settings, async (sql) => {
        const collection = await this.find(sql, name);
        return collection ? work(sql, collection) : absent;
      });
    } catch (error) {
      // Dropped while we worked on it.
      if (isUndefinedTable(error)) return absent;
      throw error;
    }
  }

  private async inTransaction<T>(settings: string, work: (sql: Sql, extension: Extension) => Promise<T>): Promise<T> {
    try {
      const extension = await (this.extension ??= this.connections.transaction('', findExtension));
      const path = `SET LOCAL search_path = pg_catalog, ${quoteIdentifier(extension.schema)}`;
      return await this.connections.transaction(settings === '' ? path : `${settings}; ${path}`, (sql) => work(sql, extension));
    } catch (error) {
      // It may be that the extension has been moved or dropped meanwhile.
      this.extension = undefined;
      throw error;
    }
  }
}

async function findExtension(sql: Sql): Promise<Extension> {
  const { rows } = await sql.query<Extension>(
    `SELECT extversion AS version, nspname AS schema FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'vector'`,
  );
  const [found] = rows;
  if (!found) throw new VectorServerFailure('wrong_version', 'The extension pgvector is missing in this database. Its owner adds it with: CREATE EXTENSION vector;');
  return { ...found, version: requireVersion('pgvector', found.version, OLDEST) };
}

async function lock(sql: Sql, name: string): Promise<void> {
  await sql.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`morag:${name}`]);
}

function readComment(comment: string | null | undefined): { collection: string; distance: Distance } | undefined {
  return comment?.startsWith('{"collection":') ? (JSON.parse(comment) as { collection: string; distance: Distance }) : undefined;
}

async function nearest(sql: Sql, collection: Collection, query: VectorQuery, { limit, measuredRows }: { limit: number; measuredRows: number }): Promise<VectorHit[]> {
  if (!query.vector) throw new TypeError(`A search by ${query.mode} needs a vector.`);
  checkVector(query.vector, collection.dimensions);
  const filter = whereQuery(query);
  const values = [...filter.values, vectorLiteral(query.vector), limit];
  const ask = async (text: string) => (await sql.query<Row>(text, values)).rows;
  const fromIndex = indexedNearest(collection, filter);
  let rows = fromIndex && (await hasMore(sql, collection, filter, measuredRows)) ? await ask(fromIndex) : [];
  // Also where the index gave up before it had met enough rows of the filter.
  if (rows.length < limit) rows = await ask(exactNearest(collection, filter));
  const toSimilarity = SIMILARITY[collection.distance];
  return inOrder(rows.map((row) => toHit(row, 'vector', toSimilarity(row.distance))));
}

async function hasMore(sql: Sql, { table }: Collection, { sql: where, values }: Filter, than: number): Promise<boolean> {
  const { rows } = await sql.query(`SELECT FROM ${table} WHERE ${where} OFFSET ${than} LIMIT 1`, values);
  return rows.length > 0;
}

async function matches(sql: Sql, { table }: Collection, query: VectorQuery, limit: number): Promise<VectorHit[]> {
  const words = [...new Set(wordsOf(query.text, { asked: true }))].slice(0, MAX_QUERY_WORDS);
  if (words.length === 0) return [];
  const { total, found } = (await sql.query<{ total: number; found: number[] }>(wordFrequencies(table), [query.tenantId, words.map((word) => wordQuery([word]))])).rows[0]!;
  const present = words.map((word, at) => ({ word, count: found[at] ?? 0 })).filter(({ count }) => count > 0);
  const rare = present.filter(({ count }) => count <= COMMON_WORD);
  const selecting = (rare.length > 0 ? rare : present).map(({ word }) => word);
  if (selecting.length === 0) return [];
  const filter = whereQuery(query);
  const weights = present.map(({ count }) => Math.log(1 + (total - count + 0.5) / (count + 0.5)));
  const { rows } = await sql.query<Row>(matching(table, filter), [...filter.values, wordQuery(selecting), present.map(({ word }) => wordQuery([word])), weights, limit]);
  return inOrder(rows.map((row) => toHit(row, 'keyword', row.score)));
}

function toHit(row: Row, kind: 'vector' | 'keyword', score: number): VectorHit {
  return { id: row.id, documentId: row.document_id, version: row.version, index: row.chunk_index, score, scores: { [kind]: score } };
}
