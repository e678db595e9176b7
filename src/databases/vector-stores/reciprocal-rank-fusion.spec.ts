import fc from 'fast-check';
import { reciprocalRankFusion } from './reciprocal-rank-fusion.js';

it('gives 1 to the first of both lists and half to the first of one', () => {
  const scores = reciprocalRankFusion([['both', 'x'], ['both', 'y']]);
  expect(scores.get('both')).toBe(1);
  expect(scores.get('x')).toBeCloseTo(61 / 62 / 2);
  expect(reciprocalRankFusion([['a'], []]).get('a')).toBe(0.5);
});

it('prefers the middle of both lists to the top of one', () => {
  const scores = reciprocalRankFusion([['a', 'b', 'm'], ['c', 'd', 'm']]);
  expect([...scores].sort((one, other) => other[1] - one[1])[0]![0]).toBe('m');
});

it('scores each id once, between 0 and 1, whatever the lists', () => {
  const list = fc.uniqueArray(fc.string({ maxLength: 2 }));
  fc.assert(
    fc.property(list, list, (a, b) => {
      const scores = reciprocalRankFusion([a, b]);
      expect(new Set(scores.keys())).toEqual(new Set([...a, ...b]));
      for (const score of scores.values()) expect(score > 0 && score <= 1).toBe(true);
    }),
  );
});

it('has nothing to say about no lists', () => expect(reciprocalRankFusion([]).size).toBe(0));
