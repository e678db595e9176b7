import type { ExtractedDocument } from '../extracted-document.js';
import { ExtractionFailed } from '../extraction-failed.js';
import { DocumentText } from './document-text.js';
import { coreProperties, mainPart, openOpenXml, relationshipsOf } from './open-xml.js';
import { builtInFormat, formatNumber, numberFormat, type NumberFormat } from './spreadsheet-values.js';
import { TableText, type Row } from './table-text.js';
import { childAt, elementsOf, parseXml, prefixed, readXmlTree } from './xml.js';
import type { ZipArchive } from './zip-archive.js';

const WORKBOOK = { name: 'Excel workbook', main: /application\/vnd\.openxmlformats-officedocument\.spreadsheetml\.(?:sheet|template)\.main\+xml/ };
/** The last column is XFD. */
const MAX_COLUMN = 16_384;

interface Sheet {
  name: string;
  part: string;
}

/** What the cells of all sheets refer to. */
interface Workbook {
  strings: string[];
  /** By the number of a cell's style. */
  formats: NumberFormat[];
  epoch1904: boolean;
}

/**
 * Reads a workbook (ECMA-376, part 1, §18) in the order of its tabs; a sheet is a page and a heading. Hidden sheets are left out: like a
 * page's hidden elements, they are not what its reader sees. Formulas count as what they last came to.
 *
 * @throws {ExtractionFailed} `type_mismatch`, `unsupported_type`, `corrupt_file`, `encrypted_file`, `archive_limits`, `no_text`.
 */
export async function extract(bytes: Buffer): Promise<ExtractedDocument> {
  const archive = await openOpenXml(bytes, WORKBOOK);
  const part = await mainPart(archive);
  const workbook = await readXmlTree(archive, part);
  const related = await relationshipsOf(archive, part);
  const partOf = (wanted: string) => [...related.values()].find(({ type }) => type === wanted)?.part;
  const properties = childAt(workbook, 'workbookPr')?.attributes;
  const shared = partOf('sharedStrings');
  const styles = partOf('styles');
  const common = {
    strings: shared === undefined ? [] : await sharedStrings(archive, shared),
    formats: styles === undefined ? [] : await cellFormats(archive, styles),
    epoch1904: isTrue(properties?.['date1904']),
  };
  const listed = childAt(workbook, 'sheets');
  const visible = (listed === undefined ? [] : elementsOf(listed, 'sheet')).filter(({ attributes }) => (attributes['state'] ?? 'visible') === 'visible');
  const document = new DocumentText();
  for (const [index, { attributes }] of visible.entries()) {
    const sheet = related.get(prefixed(attributes, 'id') ?? '');
    // A sheet that is one chart has no cells.
    if (sheet?.type === 'worksheet') await readSheet(archive, { name: attributes['name'] ?? '', part: sheet.part }, index + 1, common, document);
  }
  const { title, metadata } = await coreProperties(archive);
  return document.toDocument(title, { ...metadata, page_count: visible.length });
}

/** Without the phonetic runs, which say how a word is read, not what it is. */
async function sharedStrings(archive: ZipArchive, part: string): Promise<string[]> {
  const strings: string[] = [];
  let text: string | null = null;
  let phonetic = false;
  let within = false;
  await parseXml(archive, part, {
    open: (name) => {
      if (name === 'si') text = '';
      else if (name === 'rPh') phonetic = true;
      within = name === 't';
    },
    text: (content) => {
      if (within && !phonetic && text !== null) text += content;
    },
    close: (name) => {
      within = false;
      if (name === 'rPh') phonetic = false;
      if (name !== 'si') return;
      strings.push(unescaped(text ?? ''));
      text = null;
    },
  });
  return strings;
}

async function cellFormats(archive: ZipArchive, part: string): Promise<NumberFormat[]> {
  const styles = await readXmlTree(archive, part);
  const listed = childAt(styles, 'numFmts');
  const own = new Map((listed === undefined ? [] : elementsOf(listed)).map(({ attributes }) => [attributes['numFmtId'], numberFormat(attributes['formatCode'] ?? '')]));
  const uses = childAt(styles, 'cellXfs');
  return (uses === undefined ? [] : elementsOf(uses, 'xf')).map(({ attributes: { numFmtId: id } }) => own.get(id) ?? builtInFormat(Number(id)));
}

async function readSheet(archive: ZipArchive, sheet: Sheet, number: number, workbook: Workbook, document: DocumentText): Promise<void> {
  const table = new TableText(document);
  let empty = true;
  await parseXml(
    archive,
    sheet.part,
    rowHandlers(workbook, (row) => {
      if (!row.some(({ text }) => /\S/.test(text))) return;
      if (empty) {
        document.page(number);
        document.heading(1, sheet.name);
        empty = false;
      }
      table.row(row);
    }),
  );
  table.end();
}

/** Keeps one row at a time, and of it the cells that hold something; the dimensions that a sheet states are not believed. */
function rowHandlers(workbook: Workbook, onRow: (row: Row) => void) {
  let row: { column: number; text: string }[] = [];
  let column = 0;
  let attributes: Record<string, string> = {};
  let value = '';
  let within = false;
  return {
    open: (name: string, given: Record<string, string>) => {
      if (name === 'row') {
        row = [];
        column = 0;
      } else if (name === 'c') {
        column = given['r'] === undefined ? column + 1 : columnOf(given['r']);
        attributes = given;
        value = '';
      } else {
        within = name === 'v' || name === 't';
      }
    },
    text: (content: string) => {
      if (within) value += content;
    },
    close: (name: string) => {
      within = false;
      if (name === 'c' && value !== '') row.push({ column, text: cellText(value, attributes, workbook) });
      if (name === 'row') onRow(row);
    },
  };
}

function columnOf(reference: string): number {
  const letters = /^\$?([A-Z]{1,3})/i.exec(reference)?.[1]?.toUpperCase() ?? '';
  const column = [...letters].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0);
  if (column === 0 || column > MAX_COLUMN) throw new ExtractionFailed('corrupt_file', `A cell of the workbook stands nowhere: ${reference.slice(0, 20)}.`);
  return column;
}

function cellText(value: string, { t: type = 'n', s: style = '0' }: Record<string, string>, { strings, formats, epoch1904 }: Workbook): string {
  switch (type) {
    case 's':
      return strings[Number(value)] ?? '';
    case 'b':
      return isTrue(value) ? 'TRUE' : 'FALSE';
    case 'n':
      return formatNumber(value, formats[Number(style)] ?? 'general', epoch1904);
    case 'd':
      return value.replace('T', ' ');
    default:
      return unescaped(value);
  }
}

/** `_x000D_` stands for characters that XML or its parser would lose (§22.9.2.19). */
function unescaped(text: string): string {
  return text.replace(/_x([\dA-F]{4})_/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

function isTrue(value: string | undefined): boolean {
  return value === '1' || value === 'true';
}
