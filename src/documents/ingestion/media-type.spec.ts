import { HTML_PAGE, MARKDOWN_PAGE, WINDOWS_1252, makeDocx, makeEncryptedOffice, makePdf, makeZip, wordParagraph } from '../../../test/fixtures/make.js';
import { makeEpub, makeOdt, makePptx, makeXlsx, pptxShape, xlsxRows } from '../../../test/fixtures/packages.js';
import { FILE_TYPES } from '../../tenancy/tenant-configuration.js';
import type { ExtractionFailed } from './extraction-failed.js';
import { ALL_DOCUMENT_TYPES } from './remote-media.js';
import { SNIFF_BYTES, detectDocumentType, type Declaration } from './media-type.js';

const PDF = makePdf(['One page.']);
const DOCX = makeDocx(wordParagraph('Text.'));
const XLSX = makeXlsx([{ name: 'S', content: xlsxRows([['x']]) }]);
const PPTX = makePptx([{ shapes: pptxShape(['x']) }]);
const ODT = makeOdt('<text:p>x</text:p>');
const EPUB = makeEpub(['<p>x</p>']);
const ODS = makeOdt('', { mimetype: 'application/vnd.oasis.opendocument.spreadsheet' });
const RTF = '{\\rtf1 text}';
/** A presentation that holds a workbook, uncompressed, before it shows what it is itself. */
const EMBEDDING = makeZip([{ name: '[Content_Types].xml', content: XLSX, stored: true }, { name: 'ppt/presentation.xml', content: '<p/>' }]);
const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
const PROSE = Buffer.from('BM25 is a ranking function. GIF89a is not.');

async function outcome(content: Buffer | string, declaration: Declaration): Promise<string> {
  return detectDocumentType(Buffer.from(content).subarray(0, SNIFF_BYTES), declaration).catch((error: unknown) => (error as ExtractionFailed).code);
}

describe('the content decides', () => {
  it.each<[string, Buffer | string, Declaration, string]>([
    ['a PDF', PDF, { fileName: 'a.pdf', mediaType: 'application/pdf' }, 'pdf'],
    ['a PDF that nobody declared', PDF, {}, 'pdf'],
    ['a PDF after the junk of a mail gateway', Buffer.concat([Buffer.from([0, 1, 2, 10]), PDF]), { fileName: 'a.pdf' }, 'pdf'],
    ['a Word document', DOCX, { fileName: 'Report.DOCX', mediaType: 'application/octet-stream' }, 'docx'],
    ['a Word document called a zip by its sender', DOCX, { fileName: 'a.docx', mediaType: 'application/zip' }, 'docx'],
    ['a Word document that nobody declared', DOCX, { fileName: 'report' }, 'docx'],
    ['an encrypted Word document, for the extractor to name', makeEncryptedOffice(), { fileName: 'a.docx' }, 'docx'],
    ['a page', HTML_PAGE, { fileName: 'a.html', mediaType: 'text/html; charset=utf-8' }, 'html'],
    ['a page that nobody declared', HTML_PAGE, {}, 'html'],
    ['Markdown, which the browser calls plain text', MARKDOWN_PAGE, { fileName: 'a.md', mediaType: 'text/plain' }, 'md'],
    ['Markdown that starts with a tag', '<div align="center">\n\n# Title\n\n</div>', { fileName: 'README.md' }, 'md'],
    ['text', 'Hello', { fileName: 'a.txt' }, 'txt'],
    ['text without a name', 'a < b and b > c', {}, 'txt'],
    ['text with an extension nobody knows', 'Hello', { fileName: 'notes.v2' }, 'txt'],
    ['prose that starts with the signature of a picture', PROSE, { fileName: 'a.txt' }, 'txt'],
    ['windows-1252', WINDOWS_1252, { fileName: 'a.txt' }, 'txt'],
    ['UTF-16', Buffer.from('\ufeffGrüße', 'utf16le'), { fileName: 'a.txt' }, 'txt'],
    ['a multi-byte character cut by the end of the prefix', `${'a'.repeat(SNIFF_BYTES - 1)}€`, { fileName: 'a.txt' }, 'txt'],
    ['a workbook', XLSX, { fileName: 'a.xlsx', mediaType: 'application/vnd.ms-excel' }, 'xlsx'],
    ['a workbook that nobody declared', XLSX, {}, 'xlsx'],
    ['an encrypted workbook, for the extractor to name', makeEncryptedOffice(), { fileName: 'a.xlsx' }, 'xlsx'],
    ['a presentation', PPTX, { fileName: 'a.pptx' }, 'pptx'],
    ['a presentation that nobody declared', PPTX, {}, 'pptx'],
    ['a presentation with a workbook in it', EMBEDDING, {}, 'pptx'],
    ['a book that nobody declared', EPUB, {}, 'epub'],
    ['a book called a zip', EPUB, { fileName: 'a.epub', mediaType: 'application/zip' }, 'epub'],
    ['an OpenDocument text that nobody declared', ODT, {}, 'odt'],
    ['RTF, which the browser calls Word', RTF, { fileName: 'a.rtf', mediaType: 'application/msword' }, 'rtf'],
    ['RTF that nobody declared', RTF, {}, 'rtf'],
    ['CSV', 'a,b\n1,2\n', { fileName: 'a.csv', mediaType: 'text/csv' }, 'csv'],
    ['CSV, which the browser calls Excel', 'a,b\n1,2\n', { fileName: 'a.csv', mediaType: 'application/vnd.ms-excel' }, 'csv'],
    ['CSV by its media type', '"a","<b>"\n1,2\n', { mediaType: 'text/csv; header=present' }, 'csv'],
    ['CSV that nobody declared, which is text like any other', 'a,b\n1,2\n', {}, 'txt'],
    ['TSV', 'a\tb\n1\t2\n', { fileName: 'a.tsv', mediaType: 'text/tab-separated-values' }, 'tsv'],
    ['JSON by its media type', '{"a":1}', { mediaType: 'application/json' }, 'json'],
    ['JSON of HTML', '{"a":"<p>x</p>"}', { fileName: 'a.json' }, 'json'],
    ['damaged JSON, for the extractor to say where', '{"a":', { fileName: 'a.json' }, 'json'],
    ['JSON that nobody declared', ' {"a":[1]} ', {}, 'json'],
    ['what only starts as JSON does', '[1] and other footnotes', {}, 'txt'],
    ['Markdown that starts with a link', '[link](http://x)', { fileName: 'a.md' }, 'md'],
    ['JSON called text', '{"a":1}', { fileName: 'a.txt' }, 'txt'],
    ['JSON Lines', '{"a":1}\n{"a":2}\n', { fileName: 'a.jsonl', mediaType: 'application/json' }, 'jsonl'],
    ['JSON Lines by the older name', '1\n', { fileName: 'a.ndjson' }, 'jsonl'],
  ])('%s', async (_name, content, declaration, type) => {
    expect(await outcome(content, declaration)).toBe(type);
  });
});

describe('what contradicts its declaration is refused', () => {
  it.each<[string, Buffer | string, Declaration]>([
    ['prose named .pdf', PROSE, { fileName: 'a.pdf' }],
    ['a picture named .txt', PNG, { fileName: 'a.txt' }],
    ['prose named .png', PROSE, { fileName: 'a.png' }],
    ['a PDF called a picture', PDF, { fileName: 'a.pdf', mediaType: 'image/png' }],
    ['a PDF named .docx', PDF, { fileName: 'a.docx' }],
    ['a Word document called a PDF', DOCX, { fileName: 'a.docx', mediaType: 'application/pdf' }],
    ['a spreadsheet named .docx', XLSX, { fileName: 'a.docx' }],
    ['a Word document named .xlsx', DOCX, { fileName: 'a.xlsx' }],
    ['a book named .odt', EPUB, { fileName: 'a.odt' }],
    ['an OpenDocument spreadsheet named .odt', ODS, { fileName: 'a.odt' }],
    ['an old Office file named .epub', makeEncryptedOffice(), { fileName: 'a.epub' }],
    ['prose named .json', PROSE, { fileName: 'a.json' }],
    ['a page named .json', HTML_PAGE, { fileName: 'a.json' }],
    ['a page named .csv', HTML_PAGE, { fileName: 'a.csv' }],
    ['a PDF called CSV', PDF, { mediaType: 'text/csv' }],
    ['prose named .rtf', PROSE, { fileName: 'a.rtf' }],
    ['RTF named .txt', RTF, { fileName: 'a.txt' }],
    ['RTF named .doc', RTF, { fileName: 'a.doc' }],
    ['a PDF named .xml', PDF, { fileName: 'a.xml' }],
    ['a page named .md', HTML_PAGE, { fileName: 'a.md' }],
    ['prose called a page', 'no tags at all', { mediaType: 'text/html' }],
    ['bytes called text', Buffer.from([65, 0, 66]), { mediaType: 'text/plain' }],
  ])('%s', async (_name, content, declaration) => {
    expect(await outcome(content, declaration)).toBe('type_mismatch');
  });
});

describe('what cannot be read is refused', () => {
  it.each<[string, Buffer | string, Declaration, string]>([
    ['an empty file', '', { fileName: 'a.txt' }, 'empty_file'],
    ['a picture', PNG, { fileName: 'a.png', mediaType: 'image/png' }, 'unsupported_type'],
    ['a picture that nobody declared', PNG, {}, 'unsupported_type'],
    ['a workbook with macros', XLSX, { fileName: 'a.xlsm' }, 'unsupported_type'],
    ['a document with macros', DOCX, { fileName: 'a.docm' }, 'unsupported_type'],
    ['an OpenDocument spreadsheet', ODS, { fileName: 'a.ods' }, 'unsupported_type'],
    ['an OpenDocument spreadsheet that nobody declared', ODS, {}, 'unsupported_type'],
    ['an old Word document', makeEncryptedOffice(), { fileName: 'a.doc', mediaType: 'application/msword' }, 'unsupported_type'],
    ['an old Office file that nobody declared', makeEncryptedOffice(), {}, 'unsupported_type'],
    ['XML', '<?xml version="1.0"?><a/>', { fileName: 'a.xml' }, 'unsupported_type'],
  ])('%s', async (_name, content, declaration, code) => {
    expect(await outcome(content, declaration)).toBe(code);
  });
});

it('every type can be allowed or kept out by a tenant', () => {
  expect(ALL_DOCUMENT_TYPES.toSorted()).toEqual([...FILE_TYPES].toSorted());
});
