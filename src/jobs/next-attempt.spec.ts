import { backoffSeconds, nextAttempt, type AttemptEnd } from './next-attempt.js';

const LEASE = { attempt: 1, maxAttempts: 5, deferredSeconds: 0 };
const FAILED: AttemptEnd = { isRetryable: true, isStopping: false, retryAfterSeconds: undefined };
const least = () => 0;
const most = () => 1;

describe('the next attempt', () => {
  it('comes after a delay that doubles up to five minutes, and is spread over the upper half of it', () => {
    const failures = [1, 2, 3, 8, 9, 40];
    expect(failures.map((count) => backoffSeconds(count, most))).toEqual([2, 4, 8, 256, 300, 300]);
    expect(failures.map((count) => backoffSeconds(count, least))).toEqual([1, 2, 4, 128, 150, 150]);
    expect(new Set(Array.from({ length: 50 }, () => backoffSeconds(3))).size).toBeGreaterThan(40);
  });

  it('is counted, and there is none after the last or when trying again is pointless', () => {
    expect(nextAttempt(LEASE, 5, FAILED, most)).toEqual({ delaySeconds: 2, isCounted: true, isDeferred: false });
    expect(nextAttempt({ ...LEASE, attempt: 4 }, 5, FAILED, most)).toEqual({ delaySeconds: 16, isCounted: true, isDeferred: false });
    expect(nextAttempt({ ...LEASE, attempt: 5 }, 5, FAILED)).toBeNull();
    expect(nextAttempt(LEASE, 5, { ...FAILED, isRetryable: false })).toBeNull();
  });

  it('waits as short as after the first failure when the job was given fresh attempts', () => {
    expect(nextAttempt({ ...LEASE, attempt: 8, maxAttempts: 12 }, 5, FAILED, most)).toMatchObject({ delaySeconds: 2 });
  });

  it('never comes before the time that was asked for, and does not count, also on the last attempt', () => {
    for (const attempt of [1, 5]) {
      expect(nextAttempt({ ...LEASE, attempt }, 5, { ...FAILED, retryAfterSeconds: 100 }, least)).toEqual({ delaySeconds: 100, isCounted: false, isDeferred: true });
    }
    expect(nextAttempt(LEASE, 5, { ...FAILED, retryAfterSeconds: 100 }, most)!.delaySeconds).toBeGreaterThan(100);
    expect(nextAttempt(LEASE, 5, { ...FAILED, retryAfterSeconds: 0 }, least)).toMatchObject({ delaySeconds: 1 });
  });

  it('is not put off for more than an hour altogether', () => {
    expect(nextAttempt({ ...LEASE, deferredSeconds: 3500 }, 5, { ...FAILED, retryAfterSeconds: 100 })).not.toBeNull();
    expect(nextAttempt({ ...LEASE, deferredSeconds: 3501 }, 5, { ...FAILED, retryAfterSeconds: 100 })).toBeNull();
    expect(nextAttempt(LEASE, 5, { ...FAILED, retryAfterSeconds: 86_400 })).toBeNull();
  });

  it('comes at once and uncounted when the process stops, whatever the attempt died of', () => {
    expect(nextAttempt({ ...LEASE, attempt: 5 }, 5, { ...FAILED, isRetryable: false, isStopping: true })).toEqual({ delaySeconds: 0, isCounted: false, isDeferred: false });
  });
});
