import { cleanTitle, type ExtractedDocument } from '../extracted-document.js';
import { ExtractionFailed } from '../extraction-failed.js';
import { DocumentText } from './document-text.js';
import { markdownTable } from './markdown-table.js';
import { childAt, descendants, elementsOf, prefixed, readXmlTree, textOf, type XmlElement } from './xml.js';
import { ZipArchive } from './zip-archive.js';

const MIME_TYPE = /^application\/vnd\.oasis\.opendocument\.text(?:-template|-master)?\s*$/;
const MANIFEST = 'META-INF/manifest.xml';
const META = 'meta.xml';
/** A cell or a blank may state a million repetitions. */
const MAX_REPEATED = 64;

/** What the reader of the page does not see as its text. */
const NOT_TEXT = new Set(['tracked-changes', 'table-of-content', 'annotation', 'annotation-end', 'sequence-decls', 'variable-decls', 'user-field-decls', 'forms', 'event-listeners', 'image', 'object', 'object-ole', 'note', 'ruby-text']);

/**
 * Reads a text document in OpenDocument (ISO/IEC 26300-1).
 *
 * @throws {ExtractionFailed} `type_mismatch`, `corrupt_file`, `encrypted_file`, `archive_limits`, `no_text`.
 */
export async function extract(bytes: Buffer): Promise<ExtractedDocument> {
  const archive = await ZipArchive.open(bytes);
  await requireTextDocument(archive);
  const body = childAt(await readXmlTree(archive, 'content.xml'), 'body', 'text');
  if (body === undefined) throw new ExtractionFailed('type_mismatch', 'The archive is not an OpenDocument text.');
  const document = new DocumentText();
  writeBlocks(body, document);
  const meta = archive.has(META) ? childAt(await readXmlTree(archive, META), 'meta') : undefined;
  const property = (...names: string[]) => cleanTitle(textOf(names.map((name) => meta && childAt(meta, name)).find((found) => found !== undefined)));
  const author = property('initial-creator', 'creator');
  return document.toDocument(property('title') ?? document.firstHeading(), author === null ? {} : { author });
}

async function requireTextDocument(archive: ZipArchive): Promise<void> {
  const stated = archive.has('mimetype') ? (await archive.read('mimetype')).toString('latin1', 0, 200) : '';
  if (!MIME_TYPE.test(stated)) throw new ExtractionFailed('type_mismatch', 'The archive is not an OpenDocument text.');
  // The entries of an encrypted document are no encrypted entries of a zip archive: only the manifest tells.
  const encrypted = archive.has(MANIFEST) && descendants(await readXmlTree(archive, MANIFEST), 'encryption-data').length > 0;
  if (encrypted) throw new ExtractionFailed('encrypted_file', 'The document is protected by a password.');
}

function writeBlocks(container: XmlElement, document: DocumentText): void {
  for (const element of elementsOf(container)) {
    // Numbered headings are items of a list to some producers.
    const name = element.name === 'list' && descendants(element, 'h').length > 0 ? 'container' : element.name;
    if (name === 'h') document.heading(Number(prefixed(element.attributes, 'outline-level') ?? 1) || 1, inline(element));
    else if (name === 'p') document.block(inline(element));
    else if (name === 'list') document.block(listLines(element, 0).join('\n'));
    else if (name === 'table') writeTable(element, document);
    else if (!NOT_TEXT.has(name)) {
      writeBlocks(element, document);
      continue;
    }
    if (name === 'p' || name === 'h') for (const box of descendants(element, 'text-box')) writeBlocks(box, document);
    for (const note of notesOf(element)) document.block(`[${noteMark(note)}] ${blockText(childAt(note, 'note-body'))}`);
  }
}

/** Footnotes and endnotes follow what refers to them; those of a text box follow there. */
function notesOf(element: XmlElement): XmlElement[] {
  return elementsOf(element).flatMap((child) => {
    if (child.name === 'note') return [child];
    return child.name === 'text-box' || NOT_TEXT.has(child.name) ? [] : notesOf(child);
  });
}

function writeTable(table: XmlElement, document: DocumentText): void {
  const rows = rowsOf(table).map((row) =>
    elementsOf(row).flatMap((cell) => {
      if (cell.name !== 'table-cell' && cell.name !== 'covered-table-cell') return [];
      const times = Math.min(Number(prefixed(cell.attributes, 'number-columns-repeated') ?? 1) || 1, MAX_REPEATED);
      return Array.from({ length: times }, () => blockText(cell));
    }),
  );
  document.block(markdownTable(rows));
}

function rowsOf(element: XmlElement): XmlElement[] {
  return elementsOf(element).flatMap((child) => {
    if (child.name === 'table-row') return [child];
    return /^table-(?:header-rows|rows|row-group)$/.test(child.name) ? rowsOf(child) : [];
  });
}

function listLines(list: XmlElement, depth: number): string[] {
  return elementsOf(list).flatMap((item) => {
    let mark = '- ';
    return elementsOf(item).flatMap((child) => {
      if (child.name === 'list') return listLines(child, depth + 1);
      const text = blockText({ name: '', attributes: {}, children: [child] });
      if (text === '') return [];
      const line = `${'  '.repeat(depth)}${mark}${text.replaceAll('\n', ' ')}`;
      mark = '  ';
      return [line];
    });
  });
}

/** A cell, an item, a note: its paragraphs on lines of their own, with all that stands in them. */
function blockText(container: XmlElement | undefined): string {
  if (container === undefined) return '';
  return elementsOf(container)
    .filter(({ name }) => !NOT_TEXT.has(name))
    .map((child) => {
      if (child.name !== 'p' && child.name !== 'h') return blockText(child);
      return [inline(child).trim(), ...descendants(child, 'text-box').map(blockText)].join('\n').trim();
    })
    .filter((text) => text !== '')
    .join('\n');
}

function inline(element: XmlElement): string {
  return element.children.map((child) => (typeof child === 'string' ? child.replace(/\s+/g, ' ') : inlineElement(child))).join('');
}

function inlineElement(element: XmlElement): string {
  if (element.name === 's') return ' '.repeat(Math.min(Number(prefixed(element.attributes, 'c') ?? 1) || 1, MAX_REPEATED));
  if (element.name === 'tab') return '\t';
  if (element.name === 'line-break') return '\n';
  if (element.name === 'note') return `[${noteMark(element)}]`;
  return NOT_TEXT.has(element.name) || element.name === 'text-box' ? '' : inline(element);
}

function noteMark(note: XmlElement): string {
  return textOf(childAt(note, 'note-citation')).trim();
}
