/** Two neighbouring cells of one window: what was counted in the current one and in the one before. */
export interface Cells {
  /** Number of the current cell since the epoch. */
  cell: number;
  current: number;
  previous: number;
}

export interface WindowVerdict {
  allowed: boolean;
  /** Whole calls that are left now. */
  remaining: number;
  /** Seconds until the current cell ends. */
  resetSeconds: number;
  /** Seconds until a call would be allowed again; 0 when it is now. */
  retryAfterSeconds: number;
}

export const EMPTY: Cells = { cell: 0, current: 0, previous: 0 };

/** Moves the cells on to `nowMs`; what is older than one whole window no longer counts. */
export function advance(cells: Cells, nowMs: number, windowMs: number): Cells {
  const cell = Math.floor(nowMs / windowMs);
  if (cell === cells.cell) return cells;
  return { cell, current: 0, previous: cell === cells.cell + 1 ? cells.current : 0 };
}

/** The calls of the last window, with those of the previous cell counted in proportion to how much of it the window still covers. */
export function weigh(cells: Cells, nowMs: number, windowMs: number): number {
  const elapsed = (nowMs % windowMs) / windowMs;
  return cells.previous * (1 - elapsed) + cells.current;
}

/**
 * Judges one more call against a sliding window approximated by two cells, as Cloudflare described it
 * ("How we built rate limiting capable of scaling to millions of domains", 2017): constant memory, and a burst over the
 * edge of a window does not double the limit.
 * @param cells already advanced to `nowMs`
 */
export function judge(cells: Cells, nowMs: number, windowMs: number, limit: number): WindowVerdict {
  const elapsedMs = nowMs % windowMs;
  const left = limit - weigh(cells, nowMs, windowMs);
  const allowed = left >= 1;
  return {
    allowed,
    remaining: Math.max(0, Math.floor(left)),
    resetSeconds: Math.ceil((windowMs - elapsedMs) / 1000),
    retryAfterSeconds: allowed ? 0 : Math.max(1, Math.ceil(waitMs(cells, elapsedMs, windowMs, limit) / 1000)),
  };
}

function waitMs({ current, previous }: Cells, elapsedMs: number, windowMs: number, limit: number): number {
  // Still within this cell, once enough of the previous one has slid out.
  const room = limit - 1 - current;
  if (room >= 0) return Math.max(0, windowMs * (1 - room / previous) - elapsedMs);
  // Only in the next cell, when this one is the previous.
  return windowMs - elapsedMs + windowMs * Math.max(0, 1 - (limit - 1) / current);
}
