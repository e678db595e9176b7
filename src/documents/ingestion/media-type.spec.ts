import { HTML_PAGE, MARKDOWN_PAGE, WINDOWS_1252, makeDocx, makeEncryptedOffice, makePdf, makeZip, wordParagraph } from '../../../test/fixtures/make.js';
import type { ExtractionFailed } from './extraction-failed.js';
import { SNIFF_BYTES, detectDocumentType, type Declaration } from './media-type.js';

const PDF = makePdf(['One page.']);
const DOCX = makeDocx(wordParagraph('Text.'));
const XLSX = makeZip([{ name: '[Content_Types].xml', content: '<Types/>' }, { name: 'xl/workbook.xml', content: '<workbook/>' }]);
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
    ['a spreadsheet', XLSX, { fileName: 'a.xlsx' }, 'unsupported_type'],
    ['CSV, until there is an extractor', 'a,b\n1,2\n', { fileName: 'a.csv', mediaType: 'text/csv' }, 'unsupported_type'],
    ['JSON by its media type', '{"a":1}', { mediaType: 'application/json' }, 'unsupported_type'],
    ['RTF', '{\\rtf1 text}', { fileName: 'a.rtf' }, 'unsupported_type'],
  ])('%s', async (_name, content, declaration, code) => {
    expect(await outcome(content, declaration)).toBe(code);
  });
});
