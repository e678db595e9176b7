import fc from 'fast-check';
import type { ExtractedDocument, ExtractedPage } from '../extracted-document.js';
import { markdownHeadings } from '../extractors/markdown-headings.js';
import { chunk, chunks as cut } from './chunker.js';
import { CHUNKING_STRATEGIES, type ChunkingStrategy } from '../../../common/chunking.js';
import type { Chunk, ChunkOptions } from './chunking.js';

const DEFAULTS: ChunkOptions = { chunkSize: 2000, chunkOverlap: 200, chunkingStrategy: 'recursive', maxTokens: 8191 };

function markdown(text: string, pages: ExtractedPage[] = []): ExtractedDocument {
  return { text, title: null, pages, headings: markdownHeadings(text), metadata: {} };
}

/** Pages of these lengths in code points, one after the other, as far as the text goes. */
function paged(text: string, lengths: readonly number[]): ExtractedDocument {
  const total = Array.from(text).length;
  const pages: ExtractedPage[] = [];
  for (const length of lengths) {
    const charStart = pages.at(-1)?.charEnd ?? 0;
    if (charStart < total) pages.push({ number: pages.length + 1, charStart, charEnd: Math.min(total, charStart + length) });
  }
  return markdown(text, pages);
}

const line = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 120 }),
  fc.string({ unit: 'binary', maxLength: 60 }).map((text) => text.toWellFormed()),
  fc.lorem({ maxCount: 8, mode: 'sentences' }),
  fc.tuple(fc.integer({ min: 1, max: 6 }), fc.lorem({ maxCount: 3 })).map(([level, text]) => `${'#'.repeat(level)} ${text}`),
  fc.constantFrom('', '   ', '# Title', '## Part', '👩‍👩‍👧‍👦'.repeat(40), '漢字。'.repeat(60), '漢字'.repeat(300), 'x'.repeat(900), '```', '    \u00a0', 'Mr. A. B. met Dr. C. in 1. and 2.'),
);
const document = fc
  .tuple(fc.array(line, { maxLength: 40 }), fc.oneof(fc.constant([]), fc.array(fc.integer({ min: 0, max: 900 }), { maxLength: 12 })))
  .map(([lines, lengths]) => paged(lines.join('\n'), lengths));

describe.each(CHUNKING_STRATEGIES)('every chunk of every document, cut by %s,', (chunkingStrategy) => {
  const options = fc.record({
    chunkSize: fc.integer({ min: 100, max: 1000 }),
    chunkOverlap: fc.integer({ min: 0, max: 999 }),
    chunkingStrategy: fc.constant(chunkingStrategy),
    maxTokens: fc.integer({ min: 32, max: 400 }),
  });

  function forAll(promise: (chunks: Chunk[], points: string[], options: ChunkOptions, source: ExtractedDocument) => void): void {
    fc.assert(
      fc.property(document, options, (source, chosen) => promise(chunk(source, chosen), Array.from(source.text), chosen, source)),
      // Others at every run of the tests, of each strategy and each promise.
      { numRuns: 30 },
    );
  }

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

  it('names the pages of its first and last character, and headings that stand above all of it', () => {
    forAll((chunks, _points, _options, { pages, headings }) => {
      const pageOf = (at: number): number | null => pages.findLast(({ charStart }) => charStart <= at)?.number ?? null;
      for (const { charStart, charEnd, pageFrom, pageTo, headingPath } of chunks) {
        expect([pageFrom, pageTo]).toEqual([pageOf(charStart), pageOf(charEnd - 1)]);
        const above = headings.filter((heading) => heading.charStart < charEnd).map(({ text }) => text);
        // Each outer heading stands before the inner one.
        let from = 0;
        for (const heading of headingPath) {
          from = above.indexOf(heading, from) + 1;
          expect(from).toBeGreaterThan(0);
        }
      }
    });
  });

  it('is the same on every run', () => {
    fc.assert(fc.property(document, options, (source, chosen) => expect(chunk(source, chosen)).toEqual(chunk(source, chosen))), { numRuns: 15 });
  });
});

describe('cut recursively, a document', () => {
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
    const [only] = chunk(markdown('page 1\n\npage 2', pages), DEFAULTS);
    expect([only?.pageFrom, only?.pageTo]).toEqual([1, 2]);
  });

  it('reads what looks like a control token as text', () => {
    expect(chunk(markdown('before <|endoftext|> after'), DEFAULTS)[0]?.text).toContain('<|endoftext|>');
  });

  it('makes nothing of nothing', () => {
    expect(chunk(markdown(' \n\n\t '), DEFAULTS)).toEqual([]);
  });
});

const textsOf = (document: ExtractedDocument, chunkingStrategy: ChunkingStrategy, chunkSize = 2000, chunkOverlap = 0): string[] =>
  chunk(document, { ...DEFAULTS, chunkingStrategy, chunkSize, chunkOverlap }).map(({ text }) => text);
const pathsOf = (document: ExtractedDocument, chunkingStrategy: ChunkingStrategy, chunkSize: number): string[][] =>
  chunk(document, { ...DEFAULTS, chunkingStrategy, chunkSize, chunkOverlap: 0 }).map(({ headingPath }) => headingPath);

describe('cut by sentences, a document', () => {
  it('is packed with whole sentences, of which neighbours share whole ones', () => {
    const sentences = Array.from({ length: 12 }, (_, at) => `Sentence number ${at} stands ${'here '.repeat(at % 3)}today.`);
    const chunks = textsOf(markdown(sentences.join(' ')), 'sentence', 120, 50);
    expect(chunks.length).toBeGreaterThan(3);
    chunks.forEach((text, at) => {
      const whole = text.split(/(?<=today\.) /);
      expect(sentences).toEqual(expect.arrayContaining(whole));
      if (at > 0) expect(chunks[at - 1]!.endsWith(whole[0]!)).toBe(true);
    });
  });

  it('does not take an abbreviation, an initial or the number of an item for an end', () => {
    const whole = ['Mr. Smith met Dr. J. K. Who of the U.S. Army, e.g. in fig. 3 of vol. 2.', 'Gestern Mittag kam Hr. Meier, z. B. mit der Bahn, vgl. Abb. 4.', '1. Buy milk and bread for everybody in the house.'];
    expect(textsOf(markdown(whole.join('\n\n')), 'sentence', 100)).toEqual(whole);
  });

  it('ends Chinese and Japanese sentences where they end', () => {
    const whole = [`${'今天天气很好我们去公园'.repeat(6)}。`, `${'彼は「はい」と言った'.repeat(6)}！`, `${'我们走吧'.repeat(15)}？`];
    expect(textsOf(markdown(whole.join('')), 'sentence', 100)).toEqual(whole);
  });

  it('goes on over a line that is wrapped, and not over an item, a row or a blank line', () => {
    const wrapped = 'A sentence that its author wrapped\nat the margin, because the editor\nwas narrow at the time. ';
    expect(textsOf(markdown(wrapped.repeat(3)), 'sentence', 110)).toEqual(Array(3).fill(wrapped.trim()));
    const item = `- ${'an item '.repeat(9)}without a stop`;
    expect(textsOf(markdown(`${item}\n${item}\n\n${item.slice(2)}`), 'sentence', 110)).toEqual([item, item, item.slice(2)]);
  });

  it('keeps a heading with the sentence after it, and cuts only a sentence that is too large', () => {
    const short = 'A short one follows here.';
    const chunks = textsOf(markdown(`# A\n\n## B\n\n${'very '.repeat(40)}long. ${short}`), 'sentence', 100);
    expect(chunks[0]!.startsWith('# A\n\n## B\n\nvery')).toBe(true);
    expect(chunks.at(-1)).toBe(short);
    expect(chunks.slice(0, -1).join(' ').replace(/\s+/g, ' ')).toBe(`# A ## B ${'very '.repeat(40)}long.`);
  });
});

describe('cut by pages, a document', () => {
  const text = `# One\n\n${'Short. '.repeat(3)}\n\n## Two\n\nText.\n\n${'A longer page follows here. '.repeat(10)}\n\nThe last page.`;
  const second = text.indexOf('A longer');
  const third = text.indexOf('The last');
  const pages = [0, second, third].map((charStart, at, all) => ({ number: at + 1, charStart, charEnd: all[at + 1] ?? text.length }));

  it('never has a chunk across two pages, has one for a page that fits, and cuts a larger one', () => {
    const chunks = chunk(markdown(text, pages), { ...DEFAULTS, chunkingStrategy: 'page', chunkSize: 120, chunkOverlap: 40 });
    expect(chunks.every(({ pageFrom, pageTo }) => pageFrom === pageTo)).toBe(true);
    expect(chunks.filter(({ pageFrom }) => pageFrom === 1).map((each) => each.text)).toEqual([text.slice(0, second).trim()]);
    expect(chunks.filter(({ pageFrom }) => pageFrom === 2).length).toBeGreaterThan(2);
    expect(chunks.at(-1)?.text).toBe('The last page.');
  });

  it('never has a chunk across two pages, whatever it is', () => {
    fc.assert(
      fc.property(document, fc.integer({ min: 100, max: 1000 }), (source, chunkSize) => {
        const edges = source.pages.map(({ charStart }) => charStart);
        for (const { charStart, charEnd } of chunk(source, { ...DEFAULTS, chunkingStrategy: 'page', chunkSize })) {
          expect(edges.filter((edge) => edge > charStart && edge < charEnd)).toEqual([]);
        }
      }),
    );
  });

  it('is one page when it has none', () => {
    expect(textsOf(markdown(text), 'page')).toEqual([text]);
    expect(textsOf(markdown(text), 'page', 120)).toEqual(textsOf(markdown(text), 'recursive', 120));
  });
});

it('a page or a heading that an extractor places beyond the text is no chunk', () => {
  const source = { ...markdown('Text.', [{ number: 1, charStart: 0, charEnd: 5 }, { number: 2, charStart: 90, charEnd: 99 }]), headings: [{ level: 1, text: 'Gone', charStart: 95 }] };
  for (const chunkingStrategy of CHUNKING_STRATEGIES) expect(textsOf(source, chunkingStrategy)).toEqual(['Text.']);
});

describe('cut by headings, a document', () => {
  const part = (level: number, name: string, words = 0): string => `${'#'.repeat(level)} ${name}\n\n${'word '.repeat(words).trim()}\n\n`;

  it('is one chunk when it fits', () => {
    const text = (part(1, 'Guide', 3) + part(2, 'A', 3) + part(3, 'A1', 3) + part(2, 'B', 3)).trim();
    expect(textsOf(markdown(text), 'heading')).toEqual([text]);
    expect(pathsOf(markdown(text), 'heading', 2000)).toEqual([['Guide']]);
  });

  it('keeps a section with its subsections whole, and merges small neighbours under one parent', () => {
    const a = part(2, 'A', 12) + part(3, 'A1', 12);
    const b = part(2, 'B', 4);
    const c = part(2, 'C', 4);
    const d = part(2, 'D', 30);
    const source = markdown(part(1, 'Guide', 20) + a + b + c + d);
    expect(textsOf(source, 'heading', 160)).toEqual([part(1, 'Guide', 20), a, b + c, d].map((text) => text.trim()));
    expect(pathsOf(source, 'heading', 160)).toEqual([['Guide'], ['Guide', 'A'], ['Guide'], ['Guide', 'D']]);
  });

  it('never merges across a parent that is not whole, and cuts by size what no heading divides', () => {
    const source = markdown(part(1, 'First') + part(2, 'Large', 50) + part(2, 'Small', 2) + part(1, 'Second') + part(2, 'Other', 40));
    const chunks = chunk(source, { ...DEFAULTS, chunkingStrategy: 'heading', chunkSize: 160, chunkOverlap: 0 });
    expect(chunks.map(({ headingPath }) => headingPath.join('/'))).toEqual(['First/Large', 'First/Large', 'First/Small', 'Second/Other', 'Second/Other']);
    expect(chunks[0]?.text).toMatch(/^# First\s+## Large\n\nword/);
    expect(chunks[3]?.text).toMatch(/^# Second\s+## Other\n\nword/);
  });

  it('tells sections of one name apart', () => {
    const source = markdown(part(1, 'Year', 3) + part(2, 'Notes', 4) + part(2, 'Notes', 4) + part(2, 'Rest', 40));
    expect(pathsOf(source, 'heading', 100)[0]).toEqual(['Year']);
  });
});

const HOSTILE_SIZE = 100_000;
const HOSTILE: [string, string][] = [
  ['one character', 'a'.repeat(HOSTILE_SIZE)],
  ['no spaces', Array.from({ length: HOSTILE_SIZE }, (_, index) => String.fromCharCode(97 + ((index * 7919) % 26))).join('')],
  ['Chinese without a full stop', '漢字'.repeat(HOSTILE_SIZE / 2)],
  ['spaces between two words', `a${' '.repeat(HOSTILE_SIZE)}b`],
  ['newlines', `# a\n${'\n'.repeat(HOSTILE_SIZE)}# b\n`],
  ['emoji', '👩‍👩‍👧'.repeat(HOSTILE_SIZE / 8)],
  ['punctuation', '=!'.repeat(HOSTILE_SIZE / 2)],
  ['sentences of a letter', 'a! '.repeat(HOSTILE_SIZE / 3)],
  ['abbreviations', 'A. '.repeat(HOSTILE_SIZE / 3)],
  ['headings without text', '# a\n'.repeat(HOSTILE_SIZE / 4)],
  ['headings of all levels', [1, 2, 3, 4, 5, 6].map((level) => `${'#'.repeat(level)} a\nb\n`).join('').repeat(HOSTILE_SIZE / 45)],
  ['headings and blanks', `# a\n${' '.repeat(50)}\n`.repeat(HOSTILE_SIZE / 55)],
];

describe.each(CHUNKING_STRATEGIES)('hostile texts cost linear time, cut by %s:', (chunkingStrategy) => {
  it.each(HOSTILE)('%s', (_name, source) => {
    const inPages = paged(source, Array<number>(HOSTILE_SIZE / 100).fill(100));
    const started = performance.now();
    chunk(markdown(source), { chunkSize: 16_000, chunkOverlap: 4_000, chunkingStrategy, maxTokens: 8191 });
    chunk(inPages, { chunkSize: 100, chunkOverlap: 99, chunkingStrategy, maxTokens: 512 });
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('brings the first chunk of a large text long before the last', () => {
    const source = markdown('One short sentence stands here. '.repeat(30_000));
    const options: ChunkOptions = { ...DEFAULTS, chunkingStrategy };
    const started = performance.now();
    const generator = cut(source, options);
    generator.next();
    const first = performance.now() - started;
    for (const _ of generator);
    expect(performance.now() - started).toBeGreaterThan(2 * first);
  });
});
