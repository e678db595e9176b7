import { tableFromIPC, tableToIPC } from 'apache-arrow';
import { toArrow } from './lancedb.rows.js';
import type { VectorPoint } from './vector-store.js';

const LENGTH_BYTES = 4;

/** A point as a row of Arrow's, whichever copy of the library reads it. */
export interface PointRow {
  id: string;
  tenant_id: string;
  document_id: string;
  version: number;
  chunk_index: number;
  text: string;
  vector: { toArray(): Float32Array };
}

export function toPoint(row: PointRow): VectorPoint {
  // What Arrow answers is a view of the whole batch, which would be kept with it.
  return { id: row.id, tenantId: row.tenant_id, documentId: row.document_id, version: row.version, index: row.chunk_index, text: row.text, vector: Float32Array.from(row.vector.toArray()) };
}

/** Points as bytes that depend on no vector store and no version of one: an Arrow IPC stream for each page, behind its length (32 bits, little-endian). */
export async function* encodePoints(pages: AsyncIterable<readonly VectorPoint[]>, dimensions: number): AsyncGenerator<Buffer> {
  for await (const points of pages) {
    if (points.length === 0) continue;
    const bytes = tableToIPC(toArrow(points, dimensions), 'stream');
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32LE(bytes.byteLength);
    yield length;
    yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

/** And back, in the same pages. @throws RangeError when the bytes end within one */
export async function* decodePoints(bytes: AsyncIterable<Buffer>): AsyncGenerator<VectorPoint[]> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let wanted: number | undefined;
  for await (const chunk of bytes) {
    held.push(chunk);
    heldBytes += chunk.length;
    while (heldBytes >= (wanted ?? LENGTH_BYTES)) {
      const all = Buffer.concat(held);
      const taken = all.subarray(0, wanted ?? LENGTH_BYTES);
      held = [all.subarray(taken.length)];
      heldBytes -= taken.length;
      if (wanted === undefined) wanted = taken.readUInt32LE();
      else {
        wanted = undefined;
        yield [...(tableFromIPC(taken) as unknown as Iterable<PointRow>)].map(toPoint);
      }
    }
  }
  if (heldBytes > 0 || wanted !== undefined) throw new RangeError('a file of points ends too early');
}
