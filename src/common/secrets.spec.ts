import { checksum62, randomBase62 } from './secrets.js';

describe('secrets', () => {
  it('computes the checksum that GitHub published for its example', () => {
    expect(checksum62('zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ')).toBe('0mLq17');
  });

  it('draws from the whole base62 alphabet without favouring its beginning', () => {
    const counts = new Map<string, number>();
    for (const character of randomBase62(62_000)) counts.set(character, (counts.get(character) ?? 0) + 1);
    expect(counts.size).toBe(62);
    // 1,000 expected each, standard deviation 32: seven deviations never happen by chance.
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(230);
  });
});
