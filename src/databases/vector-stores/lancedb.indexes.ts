import type { FtsOptions, IndexConfig, Table } from '@lancedb/lancedb';
import { dimensionsOf, distanceOf, LANCEDB_DISTANCES } from './lancedb.rows.js';

type LanceDb = typeof import('@lancedb/lancedb');

/** Up to here every vector is compared: fast enough, and exact. */
const EXACT_ROWS = 20_000;
/** Long vectors are compared more slowly: 20,000 of 384 numbers are as many. */
const EXACT_NUMBERS = 8_000_000;
const VECTOR_INDEX = 'vector_idx';
/** Of the vector's field: how many rows the table had when its index was made. */
const INDEXED_AT = 'indexed_at_rows';
/** What LanceDB itself aims at: smaller ones it joins again when it takes in new rows, at the price of writing the whole index. */
const ROWS_A_PARTITION = 4096;

/** Segmentation by ICU finds words in scripts without spaces, too; positions would only serve phrase queries. */
const FULL_TEXT: Partial<FtsOptions> = {
  baseTokenizer: 'icu/split',
  language: 'English',
  stem: true,
  lowercase: true,
  asciiFolding: true,
  removeStopWords: false,
  withPosition: false,
};

/**
 * Those that every table has from its beginning. Also mends a table whose creator died before they were there; full-text search fails
 * without one.
 */
export async function ensureIndexes({ Index }: LanceDb, table: Table): Promise<void> {
  const present = new Set((await table.listIndices()).flatMap(({ columns }) => columns));
  const wanted: Record<string, () => ReturnType<typeof Index.fts>> = {
    text: () => Index.fts(FULL_TEXT),
    tenant_id: () => Index.btree(),
    document_id: () => Index.btree(),
  };
  for (const [column, config] of Object.entries(wanted)) {
    if (!present.has(column)) await table.createIndex(column, { config: config(), replace: false });
  }
}

/** Whether a table has outgrown comparing every vector, or the index it has. */
export async function needsVectorIndex(table: Table, indexes: readonly IndexConfig[]): Promise<boolean> {
  const [rows, schema] = await Promise.all([table.countRows(), table.schema()]);
  if (rows < Math.min(EXACT_ROWS, EXACT_NUMBERS / dimensionsOf(schema))) return false;
  if (!indexes.some(({ name }) => name === VECTOR_INDEX)) return true;
  const indexedAt = Number(schema.fields.find(({ name }) => name === 'vector')?.metadata.get(INDEXED_AT) ?? 0);
  return rows >= 2 * indexedAt || rows < indexedAt / 2;
}

/** At least as many as the vector index has: it keeps its number until the rows have doubled, unless LanceDB splits one. */
export function partitionsOf(rows: number): number {
  return Math.max(1, Math.round(rows / ROWS_A_PARTITION));
}

/** Takes some seconds for 100,000 vectors of 1024 numbers, in threads of LanceDB's own. The one before it serves until this one is whole. */
export async function buildVectorIndex({ Index }: LanceDb, table: Table): Promise<void> {
  const [rows, schema] = await Promise.all([table.countRows(), table.schema()]);
  const config = Index.ivfFlat({ distanceType: LANCEDB_DISTANCES[distanceOf(schema)], numPartitions: partitionsOf(rows) });
  await table.createIndex('vector', { config, name: VECTOR_INDEX });
  await table.updateFieldMetadata([{ path: 'vector', metadata: { [INDEXED_AT]: String(rows) } }]);
}
