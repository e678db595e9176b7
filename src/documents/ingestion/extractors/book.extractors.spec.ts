import { makeZip } from '../../../../test/fixtures/make.js';
import { epubEncryption, makeEpub, makeOdt } from '../../../../test/fixtures/packages.js';
import { extract as epub } from './epub.extractor.js';
import { extract as odt } from './odt.extractor.js';

const AES = 'http://www.w3.org/2001/04/xmlenc#aes128-cbc';

describe('a book', () => {
  it('is read in the order of its spine, without its table of contents', async () => {
    const document = await epub(makeEpub(['<h1>One 📖</h1><p>It began.</p>', '<p>No heading here.</p>', '<h2>Two</h2><p>It <i>ended</i>.</p>'], { title: 'A tale' }));
    expect(document).toMatchObject({ title: 'A tale', text: '# One 📖\n\nIt began.\n\nNo heading here.\n\n## Two\n\nIt *ended*.' });
    expect(document.headings).toEqual([
      { level: 1, text: 'One 📖', charStart: 0 },
      { level: 2, text: 'Two', charStart: [...'# One 📖\n\nIt began.\n\nNo heading here.\n\n'].length },
    ]);
  });

  it('with garbled fonts is read, with locked chapters not', async () => {
    const chapters = ['<p>Text.</p>'];
    expect((await epub(makeEpub(chapters, { encryption: epubEncryption('OEBPS/font.otf', 'http://www.idpf.org/2008/embedding') }))).text).toBe('Text.');
    await expect(epub(makeEpub(chapters, { encryption: epubEncryption('OEBPS/chapter%201.xhtml', AES) }))).rejects.toMatchObject({ code: 'encrypted_file' });
  });

  it.each<[string, Buffer, string]>([
    ['of pictures alone', makeEpub(['<img src="a.png"/>']), 'no_text'],
    ['cut off', makeEpub(['<p>Text.</p>']).subarray(0, 700), 'corrupt_file'],
    ['that is another archive', makeZip([{ name: 'a.txt', content: 'text' }]), 'type_mismatch'],
    ['that names no contents', makeZip([{ name: 'META-INF/container.xml', content: '<container/>' }]), 'corrupt_file'],
    ['whose chapter is missing', makeZip([{ name: 'META-INF/container.xml', content: '<c><rootfile full-path="a.opf"/></c>' }, { name: 'a.opf', content: '<p><manifest><item id="a" href="../../etc/passwd" media-type="text/html"/></manifest><spine><itemref idref="a"/></spine></p>' }]), 'corrupt_file'],
    ['nested without end', makeEpub([`${'<div>'.repeat(600)}x${'</div>'.repeat(600)}`]), 'corrupt_file'],
  ])('%s fails with its code', async (_name, bytes, code) => {
    await expect(epub(bytes)).rejects.toMatchObject({ code });
  });
});

describe('an OpenDocument text', () => {
  it('has headings by outline level, lists, tables and notes', async () => {
    const document = await odt(
      makeOdt(
        [
          '<text:tracked-changes><text:deletion><text:p>deleted</text:p></text:deletion></text:tracked-changes>',
          '<text:h text:outline-level="2">Terms 📜</text:h>',
          '<text:p>One<text:s text:c="2"/>two<text:tab/><text:span>three</text:span><text:line-break/>four<office:annotation><text:p>remark</text:p></office:annotation>.<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p></text:note-body></text:note></text:p>',
          '<text:list><text:list-item><text:p>Outer</text:p><text:list><text:list-item><text:p>Inner</text:p></text:list-item></text:list></text:list-item></text:list>',
          '<text:list><text:list-item><text:h text:outline-level="3">Numbered</text:h></text:list-item></text:list>',
          '<table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>A</text:p></table:table-cell><table:table-cell table:number-columns-repeated="2"><text:p>B</text:p></table:table-cell></table:table-row></table:table-header-rows><table:table-row><table:table-cell><text:p>1</text:p></table:table-cell></table:table-row></table:table>',
          '<text:p><draw:frame><draw:text-box><text:p>In a box.</text:p></draw:text-box></draw:frame></text:p>',
        ].join(''),
        { title: 'Contract' },
      ),
    );
    expect(document.text).toBe('## Terms 📜\n\nOne  two\tthree\nfour.[1]\n\n[1] A note.\n\n- Outer\n  - Inner\n\n### Numbered\n\n| A | B | B |\n| --- | --- | --- |\n| 1 |\n\nIn a box.');
    expect(document.headings.map(({ level, text, charStart }) => [level, text, [...document.text].slice(charStart).join('').startsWith('#'.repeat(level))])).toEqual([[2, 'Terms 📜', true], [3, 'Numbered', true]]);
    expect(document.title).toBe('Contract');
  });

  it.each<[string, Buffer, string]>([
    ['with a password', makeOdt('', { encrypted: true }), 'encrypted_file'],
    ['that is a spreadsheet', makeOdt('<text:p>x</text:p>', { mimetype: 'application/vnd.oasis.opendocument.spreadsheet' }), 'type_mismatch'],
    ['that is another archive', makeZip([{ name: 'a.txt', content: 'text' }]), 'type_mismatch'],
    ['without text', makeOdt('<text:p/>'), 'no_text'],
    ['with broken XML', makeOdt('<text:p>'), 'corrupt_file'],
    ['cut off', makeOdt('<text:p>x</text:p>').subarray(0, 500), 'corrupt_file'],
    ['nested without end', makeOdt('<text:section>'.repeat(300)), 'corrupt_file'],
  ])('%s fails with its code', async (_name, bytes, code) => {
    await expect(odt(bytes)).rejects.toMatchObject({ code });
  });
  it('of millions of elements fails in little memory', async () => {
    const content = `<a>${'<b/>'.repeat(2_000_000)}</a>`;
    const bytes = makeZip([{ name: 'mimetype', content: 'application/vnd.oasis.opendocument.text' }, { name: 'content.xml', content, stored: true }]);
    await expect(odt(bytes)).rejects.toMatchObject({ code: 'archive_limits', message: expect.stringContaining('too many elements') });
  });
});
