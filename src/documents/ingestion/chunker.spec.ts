import fc from 'fast-check';
import { chunk, type Chunk, type ChunkOptions } from './chunker.js';
import type { ExtractedDocument } from './extracted-document.js';
import { markdownHeadings } from './extractors/markdown-headings.js';

const DEFAULTS: ChunkOptions = { chunkSize: 2000, chunkOverlap: 200, maxTokens: 8191 };

function markdown(text: string): ExtractedDocument {
  return { text, title: null, pages: [], headings: markdownHeadings(text), metadata: {} };
}

const line = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 120 }),
  fc.string({ unit: 'binary', maxLength: 60 }).map((text) => text.toWellFormed()),
  fc.lorem({ maxCount: 8, mode: 'sentences' }),
  fc.tuple(fc.integer({ min: 1, max: 6 }), fc.lorem({ maxCount: 3 })).map(([level, text]) => `${'#'.repeat(level)} ${text}`),
  fc.constantFrom('', '   ', '👩‍👩‍👧‍👦'.repeat(40), '漢字。'.repeat(60), 'x'.repeat(900), '```', '    \u00a0'),
);
const text = fc.array(line, { maxLength: 40 }).map((lines) => lines.join('\n'));
const options = fc.record({
  chunkSize: fc.integer({ min: 100, max: 1000 }),
  chunkOverlap: fc.integer({ min: 0, max: 999 }),
  maxTokens: fc.integer({ min: 32, max: 400 }),
});

function forAll(promise: (chunks: Chunk[], points: string[], options: ChunkOptions) => void): void {
  fc.assert(
    fc.property(text, options, (source, chosen) => promise(chunk(markdown(source), chosen), Array.from(source), chosen)),
    { numRuns: 200 },
  );
}

describe('every chunk of every document', () => {
  it('is exactly the code points its offsets name, and never blank', () => {
    forAll((chunks, points) => {
      for (const { text: content, charStart, charEnd } of chunks) {
        expect(content).toBe(points.slice(charStart, charEnd).join(''));
        expect(content.trim()).toBe(content);
        expect(content).not.toBe('');
      }
    });
  });

  it('keeps to the size, the tokens and the overlap that were asked for', () => {
    forAll((chunks, _points, { chunkSize, chunkOverlap, maxTokens }) => {
      chunks.forEach(({ charStart, charEnd, tokenCount }, index) => {
        expect(charEnd - charStart).toBeLessThanOrEqual(chunkSize);
        expect(tokenCount).toBeLessThanOrEqual(maxTokens);
        const before = chunks[index - 1];
        if (before === undefined) return;
        expect(before.charEnd - charStart).toBeLessThanOrEqual(chunkOverlap);
        expect(charStart).toBeGreaterThan(before.charStart);
        expect(charEnd).toBeGreaterThan(before.charEnd);
      });
    });
  });

  it('leaves nothing but white space uncovered', () => {
    forAll((chunks, points) => {
      let covered = 0;
      for (const { charStart, charEnd } of chunks) {
        expect(points.slice(covered, charStart).join('').trim()).toBe('');
        covered = Math.max(covered, charEnd);
      }
      expect(points.slice(covered).join('').trim()).toBe('');
    });
  });

  it('is the same on every run', () => {
    fc.assert(fc.property(text, options, (source, chosen) => expect(chunk(markdown(source), chosen)).toEqual(chunk(markdown(source), chosen))), { numRuns: 30 });
  });
});

describe('where a document is cut', () => {
  it('starts a chunk at each heading and names the path to it', () => {
    const chunks = chunk(markdown('# Guide\nIntro.\n\n## Refunds\n14 days.\n\n### Abroad\n30 days.\n\n## Shipping\nTwo days.'), DEFAULTS);
    expect(chunks.map(({ headingPath }) => headingPath)).toEqual([['Guide'], ['Guide', 'Refunds'], ['Guide', 'Refunds', 'Abroad'], ['Guide', 'Shipping']]);
    expect(chunks[1]?.text).toBe('## Refunds\n14 days.');
  });

  it('never leaves a heading alone in a chunk', () => {
    const chunks = chunk(markdown('# Guide\n\n## Refunds\n\n14 days.'), DEFAULTS);
    expect(chunks.map(({ text: content, headingPath }) => [content, headingPath])).toEqual([['# Guide\n\n## Refunds\n\n14 days.', ['Guide', 'Refunds']]]);
  });

  it('prefers a paragraph to a sentence, and a sentence to a word', () => {
    const sentence = 'One short sentence stands here. ';
    const paragraphs = chunk(markdown(`${sentence.repeat(5).trim()}\n\n${sentence.repeat(5).trim()}`), { ...DEFAULTS, chunkSize: 220, chunkOverlap: 0 });
    expect(paragraphs.map(({ text: content }) => content)).toEqual([sentence.repeat(5).trim(), sentence.repeat(5).trim()]);
    const sentences = chunk(markdown(sentence.repeat(12)), { ...DEFAULTS, chunkSize: 150, chunkOverlap: 0 });
    expect(sentences.every(({ text: content }) => content.endsWith('here.'))).toBe(true);
    const words = chunk(markdown('word '.repeat(100)), { ...DEFAULTS, chunkSize: 103, chunkOverlap: 0 });
    expect(words.every(({ text: content }) => content.endsWith('word'))).toBe(true);
  });

  it('names the pages a chunk touches', () => {
    const pages = [
      { number: 1, charStart: 0, charEnd: 6 },
      { number: 2, charStart: 8, charEnd: 14 },
    ];
    const [only] = chunk({ ...markdown('page 1\n\npage 2'), pages }, DEFAULTS);
    expect([only?.pageFrom, only?.pageTo]).toEqual([1, 2]);
  });

  it('reads what looks like a control token as text', () => {
    expect(chunk(markdown('before <|endoftext|> after'), DEFAULTS)[0]?.text).toContain('<|endoftext|>');
  });

  it('makes nothing of nothing', () => {
    expect(chunk(markdown(' \n\n\t '), DEFAULTS)).toEqual([]);
  });
});

describe('hostile texts cost linear time', () => {
  const size = 400_000;
  it.each([
    ['one character', 'a'.repeat(size)],
    ['no spaces', Array.from({ length: size }, (_, index) => String.fromCharCode(97 + ((index * 7919) % 26))).join('')],
    ['Chinese without a full stop', '漢字'.repeat(size / 2)],
    ['spaces between two words', `a${' '.repeat(size)}b`],
    ['newlines', `# a\n${'\n'.repeat(size)}# b\n`],
    ['emoji', '👩‍👩‍👧'.repeat(size / 8)],
    ['punctuation', '=!'.repeat(size / 2)],
  ])('%s', (_name, source) => {
    const started = performance.now();
    chunk(markdown(source), { chunkSize: 16_000, chunkOverlap: 4_000, maxTokens: 8191 });
    chunk(markdown(source), { chunkSize: 100, chunkOverlap: 99, maxTokens: 512 });
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
