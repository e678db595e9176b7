import { CircuitBreaker } from './circuit-breaker.js';

describe('the circuit breaker', () => {
  const told: unknown[] = [];
  const breaker = new CircuitBreaker(1000, { opened: (reason) => told.push(reason), closed: () => told.push('back') });

  it('tells once that something is away, allows one try a rest, and tells once that it is back', () => {
    breaker.succeed();
    expect(breaker.isOpen).toBe(false);
    for (const now of [5000, 5001, 5500]) breaker.fail('away', now);
    expect(breaker.isOpen).toBe(true);
    expect([5999, 6000, 6001, 6999, 7000].map((now) => breaker.mayTry(now))).toEqual([false, true, false, false, true]);
    breaker.fail('still away', 7250);
    breaker.succeed();
    breaker.succeed();
    expect(breaker.isOpen).toBe(false);
    expect(told).toEqual(['away', 'back']);
  });
});
