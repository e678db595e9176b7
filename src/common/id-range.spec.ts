import { v7 as uuidv7 } from 'uuid';
import { firstIdAt, idsMadeWithin } from './id-range.js';

const NOON = Date.parse('2026-11-25T12:00:00Z');

describe('the first id of a millisecond', () => {
  it.each([0, 1, NOON, 2 ** 48 - 1])('is not above any made in it, and above all made before: %d', (msecs) => {
    for (let at = 0; at < 50; at++) expect(firstIdAt(msecs) <= uuidv7({ msecs })).toBe(true);
    if (msecs > 0) expect(firstIdAt(msecs) > uuidv7({ msecs: msecs - 1, seq: 0xffffffff, random: new Uint8Array(16).fill(255) })).toBe(true);
  });

  it('of a time that no id can have is the nearest there is', () => {
    expect(firstIdAt(Date.parse('0000-01-01'))).toBe(firstIdAt(0));
    expect(firstIdAt(8.64e15)).toBe('ffffffff-ffff-7000-8000-000000000000');
  });
});

describe('the ids of a time', () => {
  it('hold those of a process whose clock is off by not quite an hour', () => {
    const { from, to } = idsMadeWithin(new Date(NOON), new Date(NOON));
    for (const msecs of [NOON - 3_599_999, NOON, NOON + 3_599_999]) {
      const id = uuidv7({ msecs });
      expect([from! <= id, id < to!]).toEqual([true, true]);
    }
    expect(from! > uuidv7({ msecs: NOON - 3_600_001 })).toBe(true);
    expect(to! <= uuidv7({ msecs: NOON + 3_600_000 })).toBe(true);
  });

  it('end nowhere where the time does not', () => {
    expect(idsMadeWithin(undefined, undefined)).toEqual({ from: undefined, to: undefined });
  });
});
