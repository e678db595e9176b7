import { extract } from './html.extractor.js';

const prose = (about: string, sentences = 6): string => `<p>${`The ${about} are described at some length, with commas, so that this is prose. `.repeat(sentences)}</p>`;
const page = (body: string, head = ''): Buffer => Buffer.from(`<!doctype html><html><head>${head}</head><body>${body}</body></html>`);
const mainContent = (bytes: Buffer) => extract(bytes, { mainContentOnly: true });

const SURROUNDED = page(
  `<div class="menu"><a href="/">Home</a></div><div id="content"><h1>Of terns</h1>${prose('terns')}<h2>Nests</h2>${prose('nests')}<pre><code>tern --fly</code></pre></div><div class="sidebar">Newsletter</div><footer>Imprint</footer>`,
  '<title>Of terns | The Bird Site</title><meta name="author" content="Ada">',
);

describe('the main content of a page', () => {
  it('is its article under its title, without what surrounds it', () => {
    const { text, title, headings, metadata } = mainContent(SURROUNDED);
    expect(text).toMatch(/^# Of terns\n\nThe terns are described/);
    expect(text).toMatch(/```\ntern --fly\n```$/);
    expect(text).not.toMatch(/Home|Newsletter|Imprint/);
    expect([title, headings.map((heading) => [heading.level, heading.text]), metadata['author']]).toEqual(['Of terns', [[1, 'Of terns'], [2, 'Nests']], 'Ada']);
  });

  it('is asked for, or the page stays whole', () => {
    expect(extract(SURROUNDED)).toMatchObject({ title: 'Of terns | The Bird Site', text: expect.stringContaining('Newsletter') });
  });

  it.each([
    ['a page of a few words', page('<div class="menu">Menu</div><article><p>Closed on Mondays.</p></article>'), 'Menu', 'Closed on Mondays.'],
    ['an index of links', page(Array.from({ length: 50 }, (_, at) => `<div><a href="/${at}">Entry ${at}</a></div>`).join('')), 'Entry 0', 'Entry 49'],
    ['a page that is mostly something else', page(`${'<ul><li><a href="/x">An entry among many</a></li></ul>'.repeat(400)}<article>${prose('notes', 4)}</article>`), 'An entry', 'notes'],
    ['a page of very many elements', page(`${prose('birds')}<svg>${'<g></g>'.repeat(50_001)}</svg><footer>Imprint</footer>`), 'birds', 'Imprint'],
    ['a fragment', Buffer.from('Just <b>words</b>.'), 'Just', 'words'],
  ])('is everything of %s', (_, bytes, first, last) => {
    // Not `toEqual`, which would print both.
    expect(mainContent(bytes).text === extract(bytes).text).toBe(true);
    expect(mainContent(bytes).text).toContain(first);
    expect(mainContent(bytes).text).toContain(last);
  });

  it('keeps the words of a table that lays it out apart', () => {
    const { text } = mainContent(page(`<table><tbody>${Array.from({ length: 9 }, (_, at) => `<tr><td>Row ${at} of prose, with commas, at some length, and so on.</td></tr>`).join('')}</tbody></table>`));
    expect(text).toContain('Row 0 of prose');
    expect(text).not.toMatch(/so on\.Row/);
  });

  it('is no excuse for a page without text', () => {
    expect(() => mainContent(page('<script>void 0</script>'))).toThrow(expect.objectContaining({ code: 'no_text' }));
  });

  it('runs nothing, and takes no markup from a title', () => {
    const { text } = mainContent(page(prose('gulls'), '<title>&lt;script&gt;alert(1)&lt;/script&gt; gulls</title>'));
    expect(text.split('\n')[0]).toBe('# <script>alert(1)</script> gulls');
  });
});
