import fc from 'fast-check';
import { advance, EMPTY, judge, type Cells } from './sliding-window.js';

const WINDOW = 3_600_000;

/** Calls at these times; answers how many passed. */
function play(times: readonly number[], limit: number): boolean[] {
  let cells: Cells = EMPTY;
  return times.map((now) => {
    cells = advance(cells, now, WINDOW);
    const { allowed } = judge(cells, now, WINDOW, limit);
    if (allowed) cells = { ...cells, current: cells.current + 1 };
    return allowed;
  });
}

const passed = (verdicts: boolean[]): number => verdicts.filter(Boolean).length;

describe('the sliding window', () => {
  it('lets exactly the limit through in one burst', () => {
    expect(passed(play(Array.from({ length: 500 }, () => WINDOW * 10 + 5), 100))).toBe(100);
  });

  it('does not double the limit for a burst over the edge of a window', () => {
    const edge = WINDOW * 10;
    const times = [...Array.from({ length: 200 }, () => edge - 1), ...Array.from({ length: 200 }, () => edge + 1)];
    expect(passed(play(times, 100))).toBeLessThanOrEqual(101);
  });

  it('never refuses a steady rate below the limit', () => {
    const everyFortySeconds = Array.from({ length: 500 }, (_, at) => WINDOW * 7 + at * 40_000);
    expect(play(everyFortySeconds, 100)).not.toContain(false);
  });

  it('says truthfully when a call will be allowed again, and not much too late', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: WINDOW - 1 }), (limit, before, now, elapsed) => {
        const cells = { cell: 10, current: Math.min(now, limit), previous: Math.min(before, limit) };
        const at = WINDOW * 10 + elapsed;
        const { allowed, retryAfterSeconds } = judge(cells, at, WINDOW, limit);
        if (allowed) return retryAfterSeconds === 0;
        const verdictAt = (time: number): boolean => judge(advance(cells, time, WINDOW), time, WINDOW, limit).allowed;
        return verdictAt(at + retryAfterSeconds * 1000) && (retryAfterSeconds <= 2 || !verdictAt(at + (retryAfterSeconds - 2) * 1000));
      }),
    );
  });
});
