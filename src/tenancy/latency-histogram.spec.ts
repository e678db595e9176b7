import fc from 'fast-check';
import { LATENCY_BUCKETS, latencyBucket, quantileMs } from './latency-histogram.js';

const histogramOf = (durations: readonly number[]): number[] => {
  const counts = Array.from({ length: LATENCY_BUCKETS }, () => 0);
  for (const duration of durations) counts[latencyBucket(duration)]! += 1;
  return counts;
};

const nearestRank = (durations: readonly number[], quantile: number): number =>
  durations.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(quantile * durations.length) - 1)]!;

const someDurations = (above: number, max: number) => fc.array(fc.double({ min: above, minExcluded: true, max, noNaN: true }), { minLength: 1, maxLength: 200 });

describe('the latency histogram', () => {
  it('has a bucket for every duration, and a longer one never in an earlier bucket', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, noNaN: true }), fc.double({ min: 0, noNaN: true }), (a, b) => {
        const [short, long] = [latencyBucket(Math.min(a, b)), latencyBucket(Math.max(a, b))];
        expect(short).toBeGreaterThanOrEqual(0);
        expect(long).toBeLessThan(LATENCY_BUCKETS);
        expect(short).toBeLessThanOrEqual(long);
      }),
    );
    expect([-1, Number.NaN, 0, 0.5].map(latencyBucket)).toEqual([0, 0, 0, 0]);
    expect([0.51, 1, 1.01, 65_536, 65_537, Infinity].map(latencyBucket)).toEqual([1, 2, 3, 34, 35, 35]);
  });

  it('tells every quantile within a factor of √2', () => {
    fc.assert(
      fc.property(someDurations(0.5, 65_536), fc.double({ min: 0, max: 1, noNaN: true }), (durations, quantile) => {
        const ratio = quantileMs(histogramOf(durations), quantile)! / nearestRank(durations, quantile);
        // A duration that is a bound itself may fall on either side of it by rounding.
        expect(ratio).toBeLessThan(Math.SQRT2 + 1e-9);
        expect(ratio).toBeGreaterThan(Math.SQRT1_2 - 1e-9);
      }),
      { numRuns: 1000 },
    );
  });

  it('tells durations below the first bound within half a millisecond', () => {
    fc.assert(
      fc.property(someDurations(0, 0.5), (durations) => {
        expect(Math.abs(quantileMs(histogramOf(durations), 0.95)! - nearestRank(durations, 0.95))).toBeLessThan(0.5);
      }),
    );
  });

  it('tells what is longer than the last bound as the last bound, and nothing of nothing', () => {
    expect(quantileMs(histogramOf([100_000, 200_000]), 0.95)).toBe(65_536);
    expect(quantileMs([], 0.95)).toBeNull();
    expect(quantileMs(histogramOf([]), 0.95)).toBeNull();
  });

  it('is close where many calls take about as long', () => {
    const durations = Array.from({ length: 10_000 }, (_, at) => 5 + (at / 10_000) * 20);
    expect(quantileMs(histogramOf(durations), 0.95)! / 24).toBeCloseTo(1, 0.5);
    expect(quantileMs(histogramOf(durations), 0.5)! / 15).toBeCloseTo(1, 1);
  });
});
