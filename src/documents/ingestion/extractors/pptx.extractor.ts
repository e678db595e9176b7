import type { ExtractedDocument } from '../extracted-document.js';
import { DocumentText } from './document-text.js';
import { markdownTable } from './markdown-table.js';
import { coreProperties, mainPart, openOpenXml, relationshipsOf } from './open-xml.js';
import { childAt, descendants, elementsOf, prefixed, readXmlTree, textOf, type XmlElement } from './xml.js';
import type { ZipArchive } from './zip-archive.js';

const PRESENTATION = {
  name: 'PowerPoint presentation',
  main: /application\/vnd\.openxmlformats-officedocument\.presentationml\.(?:presentation|slideshow|template)\.main\+xml/,
};

/** Placeholders that say the same on every slide. */
const REPEATED = new Set(['sldNum', 'dt', 'ftr', 'hdr']);

/**
 * Reads a presentation (ECMA-376, part 1, §19) slide by slide in the order of the show; a slide is a page. Hidden slides are read:
 * whoever opens the file sees them.
 *
 * @throws {ExtractionFailed} `type_mismatch`, `unsupported_type`, `corrupt_file`, `encrypted_file`, `archive_limits`, `no_text`.
 */
export async function extract(bytes: Buffer): Promise<ExtractedDocument> {
  const archive = await openOpenXml(bytes, PRESENTATION);
  const document = new DocumentText();
  const slides = await slideParts(archive);
  for (const [index, part] of slides.entries()) await readSlide(archive, part, index + 1, document);
  const { title, metadata } = await coreProperties(archive);
  return document.toDocument(title ?? document.firstHeading(), { ...metadata, page_count: slides.length });
}

async function slideParts(archive: ZipArchive): Promise<string[]> {
  const presentation = await mainPart(archive);
  const parts = await relationshipsOf(archive, presentation);
  const ids = childAt(await readXmlTree(archive, presentation), 'sldIdLst');
  return (ids === undefined ? [] : elementsOf(ids, 'sldId')).flatMap(({ attributes }) => parts.get(prefixed(attributes, 'id') ?? '')?.part ?? []);
}

async function readSlide(archive: ZipArchive, part: string, number: number, document: DocumentText): Promise<void> {
  const shapes = shapesOf(await readXmlTree(archive, part));
  const related = [...(await relationshipsOf(archive, part)).values()];
  const title = shapes.find(isTitle);
  const blocks = shapes.filter((shape) => shape !== title).map(shapeText);
  for (const { part: diagram } of related.filter(({ type }) => type === 'diagramData')) {
    blocks.push(paragraphs(await readXmlTree(archive, diagram)));
  }
  for (const { part: notes } of related.filter(({ type }) => type === 'notesSlide')) {
    const spoken = shapesOf(await readXmlTree(archive, notes)).filter((shape) => placeholder(shape) === 'body').map(shapeText).join('\n\n').trim();
    if (spoken !== '') blocks.push(`Notes: ${spoken}`);
  }
  const heading = title === undefined ? '' : paragraphs(title).trim();
  if (heading === '' && blocks.every((block) => block.trim() === '')) return;
  document.page(number);
  document.heading(1, heading === '' ? `Slide ${number}` : heading);
  for (const block of blocks) document.block(block);
}

/** Those of groups as well; `Fallback` repeats for old programs what stands beside it. */
function shapesOf(element: XmlElement): XmlElement[] {
  return elementsOf(element).flatMap((child) => {
    if (child.name === 'sp' || child.name === 'graphicFrame' || child.name === 'pic') return [child];
    return child.name === 'Fallback' ? [] : shapesOf(child);
  });
}

function isTitle(shape: XmlElement): boolean {
  return ['title', 'ctrTitle'].includes(placeholder(shape) ?? '');
}

/** Null for what is no placeholder of the layout; its kind is `obj` if it names none. */
function placeholder(shape: XmlElement): string | null {
  const ph = childAt(shape, 'nvSpPr', 'nvPr', 'ph');
  return ph === undefined ? null : (ph.attributes['type'] ?? 'obj');
}

function shapeText(shape: XmlElement): string {
  if (REPEATED.has(placeholder(shape) ?? '')) return '';
  if (shape.name === 'pic') return childAt(shape, 'nvPicPr', 'cNvPr')?.attributes['descr'] ?? '';
  const tables = descendants(shape, 'tbl');
  if (tables.length === 0) return paragraphs(shape);
  return tables.map((table) => markdownTable(elementsOf(table, 'tr').map((row) => elementsOf(row, 'tc').map(paragraphs)))).join('\n\n');
}

/** DrawingML (§21.1.2.2): a line for each paragraph, the deeper ones as items of a list. */
function paragraphs(element: XmlElement): string {
  return descendants(element, 'p').map((paragraph) => {
    const level = Number(childAt(paragraph, 'pPr')?.attributes['lvl'] ?? 0);
    const text = runs(paragraph).trim();
    return level > 0 && level < 9 && text !== '' ? `${'  '.repeat(level - 1)}- ${text}` : text;
  }).filter((line) => line !== '').join('\n');
}

function runs(element: XmlElement): string {
  return elementsOf(element).map((child) => {
    if (child.name === 'br') return '\n';
    if (child.name === 't') return textOf(child);
    return child.name === 'Fallback' ? '' : runs(child);
  }).join('');
}
