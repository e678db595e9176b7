import type { MatchQuery, Table } from '@lancedb/lancedb';
import { partitionsOf } from './lancedb.indexes.js';
import { dimensionsOf, distanceOf, LANCEDB_DISTANCES, toHit, whereQuery } from './lancedb.rows.js';
import type { Row } from './lancedb.rows.js';
import { fuse, inOrder } from './ranking.js';
import { checkVector } from './vector-checks.js';
import type { Distance, VectorHit, VectorQuery } from './vector-store.js';

/** Candidates beyond the limit, so that equal scores at the edge are cut by id and fusion sees both lists deep enough. */
const MARGIN = 50;
const COLUMNS = ['id', 'document_id', 'version', 'chunk_index'];
/** More than any table has; where it has no vector index, none are counted. */
const ALL_PARTITIONS = 100_000;
/** So many rows are looked at, or a share of them where there are more. Among 100,000 of the built-in embedder these are enough for 997 of 1,000 nearest. */
const PROBED_ROWS = 40_000;
const PROBED_SHARE = 0.25;

type LanceDb = typeof import('@lancedb/lancedb');

export async function searchTable(lancedb: LanceDb, table: Table, query: VectorQuery): Promise<VectorHit[]> {
  const wanted = query.mode === 'hybrid' ? Math.max(query.limit * 2, 100) : query.limit;
  const [byVector, byKeyword] = await Promise.all([
    query.mode === 'keyword' ? [] : nearest(table, query, wanted),
    // A query object, because in a query string quotes and signs would be syntax.
    query.mode === 'vector' ? [] : matching(table, new lancedb.MatchQuery(query.text, 'text'), query, wanted),
  ]);
  const hits = query.mode === 'hybrid' ? fuse(byVector, byKeyword) : [...byVector, ...byKeyword];
  return hits.slice(0, query.limit);
}

async function nearest(table: Table, query: VectorQuery, limit: number): Promise<VectorHit[]> {
  if (!query.vector) throw new TypeError(`A search by ${query.mode} needs a vector.`);
  const schema = await table.schema();
  const distance = distanceOf(schema);
  checkVector(query.vector, dimensionsOf(schema));
  const where = whereQuery(query);
  const rows: Row[] = await table
    .query()
    .nearestTo(query.vector)
    .distanceType(LANCEDB_DISTANCES[distance])
    .nprobes(await partitionsToProbe(table, where, distance))
    .where(where)
    .select([...COLUMNS, '_distance'])
    .limit(limit + MARGIN)
    .toArray();
  const hits = rows.map((row) => {
    const vector = similarity(distance, Number(row._distance));
    return toHit(row, vector, { vector });
  });
  return inOrder(hits).slice(0, limit);
}

/**
 * A filter that leaves few rows finds them in any partition, and looking through all of those costs by the rows that are left: then the
 * answer is exact. So is that by dot product, whose greatest may lie in any partition.
 */
async function partitionsToProbe(table: Table, where: string, distance: Distance): Promise<number> {
  const rows = await table.countRows();
  if (rows <= PROBED_ROWS || distance === 'dot') return ALL_PARTITIONS;
  const left = await table.countRows(where);
  if (left <= PROBED_ROWS) return ALL_PARTITIONS;
  return Math.ceil(partitionsOf(rows) * Math.max(PROBED_SHARE, PROBED_ROWS / left));
}

/** From what LanceDB calls distance: 1 - cosine, 1 - dot product, the square of the Euclidean one. */
function similarity(distance: Distance, stored: number): number {
  if (distance === 'cosine') return Math.max(-1, Math.min(1, 1 - stored));
  return distance === 'dot' ? 1 - stored : 1 / (1 + Math.sqrt(Math.max(0, stored)));
}

async function matching(table: Table, words: MatchQuery, query: VectorQuery, limit: number): Promise<VectorHit[]> {
  const rows: Row[] = await table
    .query()
    .fullTextSearch(words)
    .where(whereQuery(query))
    .select([...COLUMNS, '_score'])
    .limit(limit + MARGIN)
    .toArray();
  const hits = rows.map((row) => toHit(row, Number(row._score), { keyword: Number(row._score) }));
  return inOrder(hits).slice(0, limit);
}
