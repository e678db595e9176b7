import fc from 'fast-check';
import { HTML_PAGE, MARKDOWN_PAGE, WINDOWS_1252 } from '../../../../test/fixtures/make.js';
import type { ExtractedDocument } from '../extracted-document.js';
import { extract as extractHtml } from './html.extractor.js';
import { extract as extractMarkdown } from './markdown.extractor.js';
import { markdownHeadings } from './markdown-headings.js';
import { extract as extractText } from './plain-text.extractor.js';

/** Each heading's line, cut out of the text by its code point offset. */
function linesAt({ text, headings }: ExtractedDocument): string[] {
  const points = Array.from(text);
  return headings.map(({ charStart }) => points.slice(charStart).join('').split('\n', 1)[0] ?? '');
}

describe('a page', () => {
  const page = extractHtml(Buffer.from(HTML_PAGE));

  it('keeps what a reader sees and drops scripts, styles, navigation, hidden and embedded data', () => {
    expect(page.text).toBe(
      '# Returns\n\nGoods may be returned within **14 days**.\n\n## Costs\n\n| Country | Price |\n| --- | --- |\n| France | 4 € |\n\nA parcel',
    );
  });

  it('has the title of its head and the headings of its body', () => {
    expect(page.title).toBe('Returns & refunds');
    expect(linesAt(page)).toEqual(['# Returns', '## Costs']);
  });

  it('is read in the encoding it names', () => {
    const bytes = Buffer.concat([Buffer.from('<meta charset="shift_jis"><p>'), Buffer.from([0x93, 0xfa, 0x96, 0x7b]), Buffer.from('</p>')]);
    expect(extractHtml(bytes).text).toBe('日本');
  });

  it('that is only navigation is still worth its links', () => {
    expect(extractHtml(Buffer.from('<html><body><nav><a href="/a">Prices</a></nav></body></html>')).text).toBe('[Prices](/a)');
  });

  it('may be a fragment', () => {
    expect(extractHtml(Buffer.from('Hello <b>world</b><p>Bye</p>')).text).toBe('Hello **world**\n\nBye');
  });

  it('cut into sections loses nothing', () => {
    const paragraphs = Array.from({ length: 9_000 }, (_, index) => `Paragraph number ${index} of a long page.`);
    const html = `<html><body><div><div>${paragraphs.map((text) => `<p>${text}</p>`).join('')}</div></div></body></html>`;
    expect(extractHtml(Buffer.from(html)).text).toBe(paragraphs.join('\n\n'));
  });

  it('nested beyond reason is refused at once', () => {
    expect(() => extractHtml(Buffer.from('<div>'.repeat(20_000)))).toThrow(expect.objectContaining({ code: 'corrupt_file' }));
  });

  it('does not turn its text into headings, and does not hide words behind escapes', () => {
    expect(extractHtml(Buffer.from('<p># not_a_heading</p><p>1. snake_case [x]</p>')).headings).toEqual([]);
    expect(extractHtml(Buffer.from('<p>1. snake_case [x]</p>')).text).toBe('1. snake_case [x]');
  });
});

describe('Markdown', () => {
  it('is kept as it is, with title and headings found outside code and front matter', () => {
    const document = extractMarkdown(Buffer.from(MARKDOWN_PAGE));
    expect(document.text).toBe(MARKDOWN_PAGE);
    expect(document.title).toBe('The handbook');
    expect(document.headings.map(({ level, text }) => [level, text])).toEqual([
      [1, 'Working here 👩‍💻'],
      [2, 'Time off'],
    ]);
    expect(linesAt(document)).toEqual(['# Working here 👩‍💻', 'Time off']);
  });

  it('has headings without their markup', () => {
    expect(markdownHeadings('## The **`snake_case`** [rule](http://x) \\# ##\n').map(({ text }) => text)).toEqual(['The snake_case rule #']);
  });

  it('loses pictures written into it as base64', () => {
    expect(extractMarkdown(Buffer.from(`![x](data:image/png;base64,${'A'.repeat(5_000)}) text`)).text).toBe('![x](data:) text');
  });

  it('of any shape gives headings that start where they say', () => {
    const part = fc.constantFrom('# a', '## b 👩‍💻', '```', 'text 👍', '---', '===', '', '   # c', '- item', '~~~', '####### no', '\t# code');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
        const document = extractTextOf(parts.join('\n'));
        for (const [index, line] of linesAt(document).entries()) expect(line).toContain(document.headings[index]?.text);
      }),
    );
  });
});

function extractTextOf(text: string): ExtractedDocument {
  return { text, title: null, pages: [], headings: markdownHeadings(text), metadata: {} };
}

describe('plain text', () => {
  it.each([
    ['windows-1252', WINDOWS_1252, 'Café – 5 €'],
    ['UTF-8 with a byte order mark', Buffer.from('\ufeffCafé'), 'Café'],
    ['UTF-16', Buffer.from('\ufeffCafé', 'utf16le'), 'Café'],
    ['UTF-8 with one damaged byte', Buffer.concat([Buffer.from('ääääääääääää'), Buffer.from([0xff])]), 'ääääääääääää\ufffd'],
    ['old line ends', Buffer.from('a\r\nb\rc'), 'a\nb\nc'],
  ])('reads %s', (_name, bytes, text) => {
    expect(extractText(bytes).text).toBe(text);
  });

  it('refuses blanks and bytes', () => {
    expect(() => extractText(Buffer.from(' \n\t'))).toThrow(expect.objectContaining({ code: 'no_text' }));
    expect(() => extractText(Buffer.from([65, 0, 66]))).toThrow(expect.objectContaining({ code: 'type_mismatch' }));
  });
});
