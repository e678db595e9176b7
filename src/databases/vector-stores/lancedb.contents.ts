import type { Table } from '@lancedb/lancedb';
import { dimensionsOf, distanceOf } from './lancedb.rows.js';
import { toPoint, type PointRow } from './point-files.js';
import type { Distance, VectorPoint } from './vector-store.js';

/** A page has as many numbers at most, so that long vectors do not fill the memory: 16 MiB. */
const NUMBERS_A_PAGE = 4 * 1024 * 1024;
const MOST_ROWS_A_PAGE = 4096;

/** Everything in a collection, to be read once. */
export interface CollectionContents {
  dimensions: number;
  distance: Distance;
  pages: AsyncIterable<VectorPoint[]>;
}

export async function contentsOf(table: Table): Promise<CollectionContents> {
  const schema = await table.schema();
  const dimensions = dimensionsOf(schema);
  return { dimensions, distance: distanceOf(schema), pages: pagesOf(table, Math.max(1, Math.min(MOST_ROWS_A_PAGE, Math.floor(NUMBERS_A_PAGE / dimensions)))) };
}

/** One scan, so one version of the table, however long it takes. */
async function* pagesOf(table: Table, rows: number): AsyncGenerator<VectorPoint[]> {
  let page: VectorPoint[] = [];
  for await (const batch of table.query()) {
    for (const row of batch as unknown as Iterable<PointRow>) {
      page.push(toPoint(row));
      if (page.length < rows) continue;
      yield page;
      page = [];
    }
  }
  if (page.length > 0) yield page;
}
