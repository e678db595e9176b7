import { SealBroken, Sealer } from './sealer.js';

const PLACE = 'database_servers/1/password';

describe('Sealer', () => {
  const sealer = new Sealer(['a-secret']);

  it('opens what it sealed, each time sealed differently and never readable', () => {
    for (const secret of ['', 'hunter2', 'пароль 🔑', 'x'.repeat(10_000)]) {
      const [first, second] = [sealer.seal(secret, PLACE), sealer.seal(secret, PLACE)];
      expect(first.equals(second)).toBe(false);
      expect(first.includes('hunter2')).toBe(false);
      expect([sealer.open(first, PLACE), sealer.open(second, PLACE)]).toEqual([secret, secret]);
    }
  });

  it('refuses what was moved to another place, changed in any byte, cut, or sealed with another key', () => {
    const sealed = sealer.seal('hunter2', PLACE);
    expect(() => sealer.open(sealed, 'database_servers/2/password')).toThrow(SealBroken);
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed);
      changed[at]! ^= 1;
      expect(() => sealer.open(changed, PLACE)).toThrow(SealBroken);
      expect(() => sealer.open(sealed.subarray(0, at), PLACE)).toThrow(SealBroken);
    }
    expect(() => new Sealer(['another']).open(sealed, PLACE)).toThrow(SealBroken);
  });

  it('opens with the key before while a new one seals', () => {
    const rotated = new Sealer(['new-secret', 'a-secret']);
    expect(rotated.open(sealer.seal('old', PLACE), PLACE)).toBe('old');
    const fresh = rotated.seal('new', PLACE);
    expect(() => sealer.open(fresh, PLACE)).toThrow(SealBroken);
    expect(new Sealer(['new-secret']).open(fresh, PLACE)).toBe('new');
  });
});
