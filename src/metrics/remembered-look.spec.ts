import type { Logger } from '@nestjs/common';
import { Metrics } from './metrics.js';
import { RememberedLook } from './remembered-look.js';

describe('a number that has to be looked up', () => {
  let warned: string[];
  const logger = { warn: (_: unknown, text: string) => warned.push(text) } as unknown as Logger;

  beforeEach(() => (warned = []));

  it('is looked up once, however many are made of it, until something changes', async () => {
    let looks = 0;
    const look = new RememberedLook('it', logger, async () => ({ looks: ++looks }));
    expect(await Promise.all([look.read(), look.read()])).toEqual([{ looks: 1 }, { looks: 1 }]);
    expect(await look.read()).toEqual({ looks: 1 });
    look.forget();
    expect(await look.read()).toEqual({ looks: 2 });
  });

  it('is left out while it cannot be read or hangs, keeps no other from being read, and is complained of once a look', async () => {
    const metrics = new Metrics();
    let answer: Promise<{ a: number }> = Promise.resolve({ a: 1 });
    let asked = 0;
    const look = new RememberedLook('it', logger, () => ((asked += 1), answer), 20);
    metrics.gaugeBy('by', 'x', 'what', () => look.read());
    metrics.gauge('single', 'x', async () => (await look.read())?.a);
    metrics.gauge('other', 'x', () => 7);
    const read = async () => (await metrics.registry.metrics()).split('\n').filter((line) => /^(?:by|single|other)\b/.test(line));
    expect(await read()).toEqual(['by{what="a"} 1', 'single 1', 'other 7']);
    look.forget();
    answer = Promise.reject(new Error('away'));
    expect(await read()).toEqual(['other 7']);
    answer = new Promise(() => undefined);
    expect(await read()).toEqual(['other 7']);
    expect(await read()).toEqual(['other 7']);
    expect(warned).toHaveLength(3);
    expect(asked).toBe(3);
  });
});
