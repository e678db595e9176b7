import { delaySeconds } from './retry-schedule.js';

const DAY = 24 * 3600;

describe('the schedule of retries', () => {
  it('spreads a dozen attempts over a day, the first seconds apart and the last hours', () => {
    const ends = [0, 0.5, 1].map((random) => {
      let [at, attempts] = [0, 1];
      while (at < DAY) at += delaySeconds(attempts++, undefined, random);
      return attempts;
    });
    expect(ends).toEqual([12, 12, 11]);
    expect([1, 2, 3].map((failures) => delaySeconds(failures, undefined, 0.5))).toEqual([5, 30, 120]);
    expect(delaySeconds(50, undefined, 0.5)).toBe(8 * 3600);
  });

  it('is shaken by a tenth to either side', () => {
    expect([0, 1].map((random) => delaySeconds(2, undefined, random))).toEqual([27, 33]);
  });

  it('waits longer where the endpoint asks for it, up to four hours, and never shorter', () => {
    expect(delaySeconds(1, 90, 0.5)).toBe(90);
    expect(delaySeconds(1, 1, 0.5)).toBe(5);
    expect(delaySeconds(1, 1_000_000, 0.5)).toBe(4 * 3600);
    expect(delaySeconds(9, 90, 0.5)).toBe(8 * 3600);
  });
});
