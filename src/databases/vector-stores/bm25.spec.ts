import fc from 'fast-check';
import { queryTerms, termWeights } from './bm25.js';

const score = (question: string, text: string): number => {
  const { indices, values } = termWeights(text);
  return queryTerms(question).indices.reduce((sum, index) => sum + (values[indices.indexOf(index)] ?? 0), 0);
};

it('has each word once, above 2.2 none, whatever the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (text) => {
      const { indices, values } = termWeights(text);
      expect(new Set(indices).size).toBe(indices.length);
      expect(values).toHaveLength(indices.length);
      for (const index of indices) expect(Number.isInteger(index) && index >= 0 && index < 2 ** 32).toBe(true);
      for (const value of values) expect(value > 0 && value < 2.2).toBe(true);
    }),
  );
});

it('counts a word that comes again, less each time, and less in a longer text', () => {
  const times = [1, 2, 3].map((count) => score('apple', `${'apple '.repeat(count)}${'x '.repeat(256 - count)}`));
  expect(times[0]).toBeCloseTo(1, 10);
  expect(times[1]! - times[0]!).toBeGreaterThan(times[2]! - times[1]!);
  expect(times[2]).toBeGreaterThan(times[1]!);
  expect(score('apple', `apple ${'x '.repeat(1000)}`)).toBeLessThan(score('apple', `apple ${'x '.repeat(100)}`));
});

it('finds a word under the number that it was stored with, in any inflection and case', () => {
  expect(score('rotate KEY', 'Rotating the API keys')).toBeGreaterThan(score('rotate', 'Rotating the API keys'));
  expect(score('安全', '我们的数据库的安全性很重要')).toBeGreaterThan(0);
  expect(score('pear', 'apple')).toBe(0);
});

it('keeps the numbers of words for ever, since they are stored', () => {
  expect(queryTerms('rotating keys')).toEqual({ indices: [1737099563, 2428947546], values: [1, 1] });
});

it('asks for at most 64 words, each once, and for none of an empty text', () => {
  expect(queryTerms(Array.from({ length: 1000 }, (_, at) => `w${at}`).join(' ')).indices).toHaveLength(64);
  expect(queryTerms('apple '.repeat(20_000)).indices).toHaveLength(1);
  expect([queryTerms(' '), termWeights('')]).toEqual([{ indices: [], values: [] }, { indices: [], values: [] }]);
});
