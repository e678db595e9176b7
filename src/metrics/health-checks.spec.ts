import { setTimeout as delay } from 'node:timers/promises';
import { HealthChecks } from './health-checks.js';

describe('health checks', () => {
  it('say what is up, what works worse, what is down and what was not asked', async () => {
    const checks = new HealthChecks();
    checks.register({ name: 'good', isEssential: true, ask: async () => ({ details: { free: 3 } }) });
    checks.register({ name: 'full', isEssential: true, ask: async () => ({ degradedBecause: 'no room' }) });
    checks.register({ name: 'gone', isEssential: false, ask: () => Promise.reject(new Error('refused')), details: { known: true } });
    checks.register({ name: 'costly', isEssential: false, ask: null, details: { model: 'x' } });
    expect(await checks.run()).toEqual([
      { name: 'good', isEssential: true, status: 'up', latencyMs: expect.any(Number), reason: null, details: { free: 3 } },
      { name: 'full', isEssential: true, status: 'degraded', latencyMs: expect.any(Number), reason: 'no room', details: {} },
      { name: 'gone', isEssential: false, status: 'down', latencyMs: expect.any(Number), reason: 'refused', details: { known: true } },
      { name: 'costly', isEssential: false, status: 'up', latencyMs: null, reason: null, details: { model: 'x' } },
    ]);
  });

  it('do not wait for one that hangs, and ask it once however many look', async () => {
    const checks = new HealthChecks();
    let asked = 0;
    checks.register({ name: 'hangs', isEssential: true, ask: () => ((asked += 1), new Promise(() => undefined)) });
    checks.register({ name: 'good', isEssential: true, ask: async () => ({}) });
    const begun = performance.now();
    const looks = Promise.all([checks.run(), checks.run(), delay(50).then(() => checks.run())]);
    for (const [hangs, good] of await looks) expect([hangs, good]).toMatchObject([{ status: 'down', reason: 'no answer within 2000 ms' }, { status: 'up' }]);
    expect(performance.now() - begun).toBeLessThan(4000);
    expect(asked).toBe(1);
  });
});
