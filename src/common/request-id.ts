import { randomFillSync } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

const ID_BYTES = 16;
const pool = Buffer.alloc(256 * ID_BYTES);
let at = pool.length;

/** A new UUIDv7. Random bytes are fetched for many at once: asking for sixteen costs as much as asking for thousands. */
export function requestId(): string {
  if (at === pool.length) {
    randomFillSync(pool);
    at = 0;
  }
  const random = pool.subarray(at, (at += ID_BYTES));
  return uuidv7({ random });
}
