import fc from 'fast-check';
import { wordsOf } from './words.js';

it.each([
  ['Rotating the API keys', 'rotat the api kei'],
  ['Ein Café in ZÜRICH, naïve Ångström', 'ein cafe in zurich naiv angstrom'],
  ['call get_user_name()', 'call get user name'],
  ['x-ray of 3.14 and v2', 'x rai of 3 14 and v2'],
  ['ﬁle №７', 'file no7'],
  ['안녕하세요 세계', '안녕하세요 세계'],
  ['हिन्दी भाषा', 'हिन्दी भाषा'],
  ['שָׁלוֹם', 'שלום'],
  ['安全API', '安 全 安全 api'],
  ['サーバー', 'サ ー バ ー サー ーバ バー'],
  ['', ''],
  [' \0\ud800😀"\'\\:*&|!()<>', ''],
])('reads %j as %j', (text, words) => expect(wordsOf(text).join(' ')).toBe(words));

it('asks for pairs of characters where there are any, and else for the one', () => {
  expect(wordsOf('安全性', { asked: true })).toEqual(['安全', '全性']);
  expect(wordsOf('安', { asked: true })).toEqual(['安']);
});

it('finds each word of a question in the text that it was taken from', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
      const words = new Set(wordsOf(text));
      expect(wordsOf(text, { asked: true }).filter((word) => !words.has(word))).toEqual([]);
    }),
  );
});

it('makes words of letters, digits and their marks alone, none longer than the stores take', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (text) => {
      for (const word of wordsOf(text)) expect(word).toMatch(/^[\p{L}\p{N}\p{M}]{1,64}$/u);
    }),
  );
  expect(wordsOf('x'.repeat(100_000))).toEqual(['x'.repeat(64)]);
});
