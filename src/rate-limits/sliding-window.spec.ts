import fc from 'fast-check';
import { advance, EMPTY, judge, type Cells } from './sliding-window.js';

const WINDOW = 3_600_000;
const SEEDED = { seed: 20_261_124, numRuns: 300 };

/** One call at each of these times, in order; answers the times at which one passed. */
function play(times: readonly number[], limit: number): number[] {
  let cells: Cells = EMPTY;
  return times.filter((now) => {
    cells = advance(cells, now, WINDOW);
    const { allowed } = judge(cells, now, WINDOW, limit);
    if (allowed) cells = { ...cells, current: cells.current + 1 };
    return allowed;
  });
}

const burst = (at: number, calls: number): number[] => Array.from({ length: calls }, () => at);
const allowedAt = (cells: Cells, at: number, limit: number): boolean => judge(advance(cells, at, WINDOW), at, WINDOW, limit).allowed;

const limits = fc.integer({ min: 1, max: 200 });
const offsets = fc.integer({ min: 0, max: WINDOW - 1 });
/** Also such as are over the limit, because that was lowered. */
const fullness = fc.record({ cell: fc.constant(10), current: fc.integer({ min: 0, max: 300 }), previous: fc.integer({ min: 0, max: 300 }) });

describe('the sliding window', () => {
  it('lets exactly the limit through in one burst', () => {
    fc.assert(fc.property(limits, offsets, (limit, offset) => play(burst(WINDOW * 10 + offset, limit + 100), limit).length === limit), SEEDED);
  });

  it('does not double the limit for a burst over the edge of a window', () => {
    const edge = WINDOW * 10;
    expect(play([...burst(edge - 1, 200), ...burst(edge + 1, 200)], 100).length).toBeLessThanOrEqual(101);
  });

  it('lets fewer than limit × (1 + w / window) + 1 calls through in any stretch of w ms, and no more than the limit in one cell', () => {
    const gaps = fc.array(fc.oneof(fc.constant(0), fc.integer({ max: 60_000, min: 0 }), fc.integer({ max: WINDOW, min: 0 })), { minLength: 50, maxLength: 300 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), offsets, gaps, (limit, offset, steps) => {
        let now = WINDOW * 10 + offset;
        const passed = play(steps.map((step) => (now += step)), limit);
        for (const [first, from] of passed.entries()) {
          for (const [more, to] of passed.slice(first).entries()) {
            if (to - from <= WINDOW) expect(more + 1).toBeLessThan(limit * (1 + (to - from) / WINDOW) + 1);
            if (Math.floor(from / WINDOW) === Math.floor(to / WINDOW)) expect(more + 1).toBeLessThanOrEqual(limit);
          }
        }
      }),
      { ...SEEDED, numRuns: 60 },
    );
  });

  it('never refuses a steady rate below the limit', () => {
    // One call each 361 s is fewer than ten an hour; just behind an edge 9.97 of them count.
    const everySixMinutes = Array.from({ length: 500 }, (_, at) => WINDOW * 7 + at * 361_000);
    expect(play(everySixMinutes, 10)).toHaveLength(500);
    fc.assert(
      fc.property(limits, offsets, fc.integer({ min: 1, max: 100_000 }), (limit, offset, slower) => {
        const period = Math.floor(WINDOW / limit) + slower;
        const times = Array.from({ length: 3 * limit + 5 }, (_, at) => WINDOW * 7 + offset + at * period);
        return play(times, limit).length === times.length;
      }),
      SEEDED,
    );
  });

  it('says when a call will be allowed again: then it is, and a second earlier it is not', () => {
    fc.assert(
      fc.property(limits, fullness, offsets, (limit, cells, elapsed) => {
        const at = WINDOW * 10 + elapsed;
        const { allowed, retryAfterSeconds } = judge(cells, at, WINDOW, limit);
        if (allowed) return retryAfterSeconds === 0;
        return Number.isInteger(retryAfterSeconds) && retryAfterSeconds >= 1 && allowedAt(cells, at + retryAfterSeconds * 1000, limit) && !allowedAt(cells, at + (retryAfterSeconds - 1) * 1000, limit);
      }),
      { ...SEEDED, numRuns: 2000 },
    );
  });

  it('says how many calls would pass now, and no more do', () => {
    fc.assert(
      fc.property(limits, fullness, offsets, (limit, cells, elapsed) => {
        const at = WINDOW * 10 + elapsed;
        const { remaining, used } = judge(cells, at, WINDOW, limit);
        const after = (calls: number): boolean => judge({ ...cells, current: cells.current + calls }, at, WINDOW, limit).allowed;
        return !after(remaining) && (remaining === 0 ? used >= limit : after(remaining - 1) && used + remaining === limit);
      }),
      SEEDED,
    );
  });

  it('refuses everything at a limit of nothing, and says a number', () => {
    expect(judge({ cell: 10, current: 0, previous: 0 }, WINDOW * 10, WINDOW, 0)).toMatchObject({ allowed: false, remaining: 0, retryAfterSeconds: 3600 });
  });

  it('forgets nothing when the clock is set back over an edge, and does not wait for a clock that was far ahead', () => {
    const cells = { cell: 10, current: 5, previous: 3 };
    expect(advance(cells, WINDOW * 10 - 1, WINDOW)).toEqual(cells);
    expect(advance(cells, WINDOW * 5, WINDOW)).toEqual({ cell: 5, current: 0, previous: 0 });
  });
});
