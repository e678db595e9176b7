import { isWellFormedKey, mintKey } from './key-format.js';

describe('API key format', () => {
  it('mints keys that pass their own checksum and show twelve characters', () => {
    const key = mintKey('live');
    expect(key.secret).toMatch(/^mk_live_[0-9A-Za-z]{38}$/);
    expect(isWellFormedKey(key.secret)).toBe(true);
    expect(key.prefix).toBe(key.secret.slice(0, 12));
    expect(key.hash).toHaveLength(32);
  });

  it('refuses a key with any one character changed', () => {
    const { secret } = mintKey('test');
    for (let at = 'mk_test_'.length; at < secret.length; at++) {
      const other = secret[at] === 'A' ? 'B' : 'A';
      expect(isWellFormedKey(secret.slice(0, at) + other + secret.slice(at + 1))).toBe(false);
    }
  });

  it.each(['', 'mk_live_', 'mk_prod_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJzQ0mLq17', 'zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17'])('refuses %p', (text) => {
    expect(isWellFormedKey(text)).toBe(false);
  });
});
