import { makeEncryptedOffice, makeZip } from '../../../../test/fixtures/make.js';
import { makePptx, makeXlsx, pptxShape, xlsxRows } from '../../../../test/fixtures/packages.js';
import { chunk } from '../chunking/chunker.js';
import type { ExtractedDocument } from '../extracted-document.js';
import { extract as pptx } from './pptx.extractor.js';
import { formatNumber, numberFormat } from './spreadsheet-values.js';
import { extract as xlsx } from './xlsx.extractor.js';

const pagesOf = ({ text, pages }: ExtractedDocument): [number, string][] => pages.map(({ number, charStart, charEnd }) => [number, [...text].slice(charStart, charEnd).join('')]);

describe('a workbook', () => {
  it('is read tab by tab, each a page and a heading, each row with its header', async () => {
    const document = await xlsx(
      makeXlsx(
        [
          { name: 'Prices 💶', content: xlsxRows([['Price list'], ['Article', 'Price'], ['Nut', 0.1], ['Bolt', 0.25]]) },
          { name: 'Secret', content: xlsxRows([['not shown']]), hidden: true },
          { name: 'Empty', content: '' },
          { name: 'Notes', content: xlsxRows([['Valid from May.']]) },
        ],
        { title: 'Hardware' },
      ),
    );
    expect(pagesOf(document)).toEqual([
      [1, '# Prices 💶\n\nPrice list\n\nArticle | Price\n\nArticle: Nut\nPrice: 0.1\n\nArticle: Bolt\nPrice: 0.25'],
      [3, '# Notes\n\nValid from May.'],
    ]);
    expect(document).toMatchObject({ title: 'Hardware', headings: [{ level: 1, text: 'Prices 💶', charStart: 0 }, { level: 1, text: 'Notes', charStart: document.pages[1]!.charStart }] });
  });

  it('of any length tells its header in every chunk', async () => {
    const rows = Array.from({ length: 500 }, (_, index) => [`Person ${index}`, index, 'Graz']);
    const document = await xlsx(makeXlsx([{ name: 'People', content: xlsxRows([['Name', 'Number', 'City'], ...rows]) }]));
    const chunks = chunk(document, { chunkSize: 300, chunkOverlap: 50, chunkingStrategy: 'recursive', maxTokens: 8191 });
    expect(chunks.length).toBeGreaterThan(50);
    for (const { text, headingPath, pageFrom } of chunks) {
      expect(text).toMatch(/Name: Person \d+\nNumber: \d+\nCity: Graz/);
      expect([headingPath, pageFrom]).toEqual([['People'], 1]);
    }
  });

  it('says what its cells show: shared and rich strings, dates, booleans, errors, cached results', async () => {
    const strings = '<si><t>plain</t></si><si><r><t>rich </t></r><r><t xml:space="preserve">text</t></r><rPh><t>reading</t></rPh></si><si><t>two_x000D_\nlines</t></si>';
    const styles = '<numFmts><numFmt numFmtId="164" formatCode="[$-407]d\\. mmmm yyyy;@"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="9"/></cellXfs>';
    const cells = [
      '<c s="1"><v>45351</v></c><c s="2"><v>45351.5</v></c><c s="3"><v>0.125</v></c>',
      '<c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>2</v></c><c t="s"><v>99</v></c>',
      '<c t="b"><v>1</v></c><c t="e"><v>#DIV/0!</v></c><c t="str"><f>A1&amp;"x"</f><v>cached</v></c><c><f>1+1</f><v>2</v></c><c s="1"/>',
    ];
    const content = `<dimension ref="A1:XFD1048576"/><sheetData>${cells.map((row) => `<row>${row}</row>`).join('')}</sheetData>`;
    expect((await xlsx(makeXlsx([{ name: 'S', content }], { strings, styles }))).text).toBe('# S\n\n2024-02-29 | 2024-02-29 | 12.5%\n\nplain | rich text | two\nlines\n\nTRUE | #DIV/0! | cached | 2');
    const dated = await xlsx(makeXlsx([{ name: 'S', content: '<sheetData><row><c s="1"><v>43889</v></c></row></sheetData>' }], { styles, date1904: true }));
    expect(dated.text).toBe('# S\n\n2024-02-29');
  });

  it.each([
    ['1', 'yyyy-mm-dd', '1900-01-01'],
    ['61', 'dd/mm/yy', '1900-03-01'],
    ['45351.75', 'dd.mm.yyyy hh:mm', '2024-02-29 18:00'],
    ['0.5000115740740741', 'h:mm AM/PM', '12:00:01'],
    ['1.5', '[h]:mm:ss', '36:00:00'],
    ['-3', 'yyyy', '-3'],
    ['0.30000000000000004', 'General', '0.3'],
    ['12', '0.0 "days"', '12'],
    ['5', '[Red]#,##0\\d', '5'],
  ])('shows %s in the format %s as %s', (value, code, shown) => {
    expect(formatNumber(value, numberFormat(code), false)).toBe(shown);
  });

  it('keeps rows of cells far apart for what they hold', async () => {
    const content = '<sheetData><row r="1"><c r="A1"><v>1</v></c><c r="XFD1"><v>2</v></c></row><row r="1048576"><c r="XFD1048576"><v>3</v></c></row></sheetData>';
    expect((await xlsx(makeXlsx([{ name: 'S', content }]))).text).toBe('# S\n\n1 | 2\n\n3');
  });

  it.each<[string, Buffer, string]>([
    ['with macros', makeXlsx([{ name: 'S', content: xlsxRows([['x']]) }], { macros: true }), 'unsupported_type'],
    ['with a password', makeEncryptedOffice(), 'encrypted_file'],
    ['of 1997', Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.alloc(600)]), 'type_mismatch'],
    ['that is a presentation', makePptx([{ shapes: pptxShape(['x']) }]), 'type_mismatch'],
    ['without a cell', makeXlsx([{ name: 'S', content: '' }]), 'no_text'],
    ['whose only sheet is hidden', makeXlsx([{ name: 'S', content: xlsxRows([['x']]), hidden: true }]), 'no_text'],
    ['cut off', makeXlsx([{ name: 'S', content: xlsxRows([['x']]) }]).subarray(0, 700), 'corrupt_file'],
    ['with broken XML', makeXlsx([{ name: 'S', content: '<sheetData><row>' }]), 'corrupt_file'],
    ['with an entity nobody defined', makeXlsx([{ name: 'S', content: '<sheetData><row><c t="str"><v>&secret;</v></c></row></sheetData>' }]), 'corrupt_file'],
    ['with a cell outside of the sheet', makeXlsx([{ name: 'S', content: '<sheetData><row><c r="ZZZ1"><v>1</v></c></row></sheetData>' }]), 'corrupt_file'],
    ['nested without end', makeXlsx([{ name: 'S', content: '<a>'.repeat(300) }]), 'corrupt_file'],
    ['that is a bomb', makeZip([{ name: 'xl/workbook.xml', content: Buffer.alloc(3_000_000) }]), 'archive_limits'],
  ])('%s fails with its code', async (_name, bytes, code) => {
    await expect(xlsx(bytes)).rejects.toMatchObject({ code });
  });

  it('whose few strings make gigabytes of text fails in little memory', async () => {
    const strings = `<si><t>${Array.from({ length: 200_000 }, (_, index) => index).join(' ')}</t></si>`;
    const content = `<sheetData>${'<row><c t="s"><v>0</v></c></row>'.repeat(20_000)}</sheetData>`;
    await expect(xlsx(makeXlsx([{ name: 'S', content }], { strings }))).rejects.toMatchObject({ code: 'archive_limits', message: expect.stringContaining('more text') });
  });

  it('expands no entity of a DTD', async () => {
    const bomb = makeZip([
      { name: '[Content_Types].xml', content: '<Types><Override ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>' },
      { name: '_rels/.rels', content: '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Relationships><Relationship Id="&b;" Target="x"/></Relationships>' },
    ]);
    await expect(xlsx(bomb)).rejects.toMatchObject({ code: 'corrupt_file', message: expect.stringContaining('DTD') });
  });
});

describe('a presentation', () => {
  it('is read slide by slide with titles, notes, groups and tables', async () => {
    const table = '<p:graphicFrame><a:tbl><a:tr><a:tc><a:txBody><a:p><a:r><a:t>Year</a:t></a:r></a:p></a:txBody></a:tc><a:tc/></a:tr><a:tr><a:tc><a:p><a:r><a:t>2027</a:t></a:r></a:p></a:tc><a:tc><a:p><a:r><a:t>a|b</a:t></a:r></a:p></a:tc></a:tr></a:tbl></p:graphicFrame>';
    const alternatives = `<mc:AlternateContent><mc:Choice>${pptxShape(['once'])}</mc:Choice><mc:Fallback>${pptxShape(['once'])}</mc:Fallback></mc:AlternateContent>`;
    const document = await pptx(
      makePptx([
        { shapes: pptxShape(['3'], 'sldNum') + pptxShape(['Body', '  deeper']) + pptxShape(['The plan 🗺'], 'ctrTitle'), notes: 'Speak slowly.' },
        { shapes: '' },
        { shapes: `<p:grpSp>${pptxShape(['In a group.'])}</p:grpSp>${table}${alternatives}<p:pic><p:nvPicPr><p:cNvPr id="2" name="p" descr="A map"/></p:nvPicPr></p:pic>` },
      ]),
    );
    expect(pagesOf(document)).toEqual([
      [1, '# The plan 🗺\n\nBody\n- deeper\n\nNotes: Speak slowly.'],
      [3, '# Slide 3\n\nIn a group.\n\n| Year |  |\n| --- | --- |\n| 2027 | a\\|b |\n\nonce\n\nA map'],
    ]);
    expect(document).toMatchObject({ title: 'The plan 🗺', metadata: { page_count: 3 } });
    expect(document.headings.map(({ text }) => text)).toEqual(['The plan 🗺', 'Slide 3']);
  });

  it.each<[string, Buffer, string]>([
    ['without text', makePptx([{ shapes: pptxShape(['1'], 'sldNum') }]), 'no_text'],
    ['without slides', makePptx([]), 'no_text'],
    ['with a password', makeEncryptedOffice(), 'encrypted_file'],
    ['that is a workbook', makeXlsx([{ name: 'S', content: xlsxRows([['x']]) }]), 'type_mismatch'],
    ['cut off', makePptx([{ shapes: pptxShape(['x']) }]).subarray(0, 900), 'corrupt_file'],
    ['with broken XML', makePptx([{ shapes: '<p:sp>' }]), 'corrupt_file'],
  ])('%s fails with its code', async (_name, bytes, code) => {
    await expect(pptx(bytes)).rejects.toMatchObject({ code });
  });
});
