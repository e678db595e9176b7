import { highlighter } from './highlights.js';

const marked = (text: string, query: string): string[] => highlighter(query)(text).map(({ start, end }) => [...text].slice(start, end).join(''));

describe('highlighter', () => {
  it.each([
    ['The approved budgets were approving.', 'Who approves the budget?', ['The', 'approved', 'budgets', 'approving']],
    ['Über den Straßen von Überlingen', 'uber', ['Über']],
    ['🐋🐋 whales 🐋 whale', 'WHALE', ['whales', 'whale']],
    ['nothing of it here', 'zebra', []],
    ['any text', '', []],
    ['', 'any', []],
    ['x\ud800y whale', 'whale', ['whale']],
  ])('marks in %j for %j: %j', (text, query, words) => {
    expect(marked(text, query)).toEqual(words);
  });

  it('marks words of scripts without spaces, and never more than a hundred', () => {
    expect(marked('鲸鱼是最大的动物', '鲸鱼').join('')).toContain('鲸');
    expect(highlighter('whale')('whale '.repeat(1000))).toHaveLength(100);
  });
});
