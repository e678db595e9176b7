/** Two neighbouring cells of one window: what was counted in the current one and in the one before. */
export interface Cells {
  /** Number of the current cell since the epoch. */
  cell: number;
  current: number;
  previous: number;
}

export interface WindowVerdict {
  allowed: boolean;
  /** Whole calls in the window; with `remaining` it makes the limit, as long as that is not exceeded. */
  used: number;
  /** Calls that would pass now. */
  remaining: number;
  /** Seconds until the current cell ends. */
  resetSeconds: number;
  /** Seconds until a call would be allowed again if none came meanwhile; 0 when it is now. */
  retryAfterSeconds: number;
}

export const EMPTY: Cells = { cell: 0, current: 0, previous: 0 };

/** Moves the cells on to `nowMs`; what is older than one whole window no longer counts. */
export function advance(cells: Cells, nowMs: number, windowMs: number): Cells {
  const cell = Math.floor(nowMs / windowMs);
  // A clock that is set back over the edge of a cell must not forget the calls of this one.
  if (cell === cells.cell || cell === cells.cell - 1) return cells;
  return { cell, current: 0, previous: cell === cells.cell + 1 ? cells.current : 0 };
}

/** What the window holds, in calls × ms: whole numbers, so that every process, and Redis in Lua, comes to the same verdict. */
function callMilliseconds({ current, previous }: Cells, elapsedMs: number, windowMs: number): number {
  return previous * (windowMs - elapsedMs) + current * windowMs;
}

/** Whole calls in the window that ends now. */
export function usedIn(cells: Cells, nowMs: number, windowMs: number): number {
  return Math.floor(callMilliseconds(cells, nowMs % windowMs, windowMs) / windowMs);
}

/**
 * Judges one more call against a sliding window approximated by two cells, as Cloudflare described it
 * ("How we built rate limiting capable of scaling to millions of domains", 2017): the calls of the previous cell count in
 * proportion to how much of it the window still covers. A call passes while less than the limit is counted, so
 * - after an hour of silence exactly `limit` calls pass;
 * - equally spaced calls below the limit always pass: at a rate of r an hour never more than r are counted;
 * - a clock hour sees at most `limit` calls, and any w ms fewer than `limit` × (1 + w / windowMs) + 1: a burst over an edge is
 *   not doubled, but a burst followed by an hour of steady calls can come to nearly twice the limit in some sixty minutes.
 * @param cells already advanced to `nowMs`
 */
export function judge(cells: Cells, nowMs: number, windowMs: number, limit: number): WindowVerdict {
  const elapsedMs = nowMs % windowMs;
  const counted = callMilliseconds(cells, elapsedMs, windowMs);
  const allowed = counted < limit * windowMs;
  return {
    allowed,
    used: Math.floor(counted / windowMs),
    remaining: Math.max(0, Math.ceil((limit * windowMs - counted) / windowMs)),
    resetSeconds: Math.ceil((windowMs - elapsedMs) / 1000),
    retryAfterSeconds: allowed ? 0 : Math.ceil(waitMs(cells, elapsedMs, windowMs, limit) / 1000),
  };
}

/** Milliseconds until a refused call would pass. */
function waitMs({ current, previous }: Cells, elapsedMs: number, windowMs: number, limit: number): number {
  // Never, unless somebody raises the limit.
  if (limit <= 0) return windowMs;
  const room = limit - current;
  // Still within this cell, or only in the next one, when this one is the previous.
  return room > 0 ? slidOutMs(previous, room, windowMs) - elapsedMs : windowMs - elapsedMs + slidOutMs(current, limit, windowMs);
}

/** The first millisecond of a cell in which the calls of the one before count for less than `room`. */
function slidOutMs(calls: number, room: number, windowMs: number): number {
  return Math.floor((windowMs * (calls - room)) / calls) + 1;
}
