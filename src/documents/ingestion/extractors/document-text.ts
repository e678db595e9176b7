import { codePointLength } from '../code-points.js';
import { cleanText, cleanTitle, requireText, type ExtractedDocument, type ExtractedHeading, type ExtractedPage } from '../extracted-document.js';
import { ExtractionFailed } from '../extraction-failed.js';

/** A few megabytes can name one long string a million times. In UTF-16 units, about the largest upload by default. */
const MAX_TEXT_LENGTH = 100_000_000;
/** Every chunk below a heading repeats it. */
const MAX_HEADING_LENGTH = 200;
const SEPARATOR = '\n\n';

/** Collects a document block by block and keeps the offsets of its pages and headings. */
export class DocumentText {
  private readonly blocks: string[] = [];
  private readonly pages: ExtractedPage[] = [];
  private readonly headings: ExtractedHeading[] = [];
  private pending: number | null = null;
  private units = 0;
  private codePoints = 0;

  /** What follows stands on this slide or sheet; one without text leaves no trace. */
  page(number: number): void {
    this.pending = number;
  }

  heading(level: number, text: string): void {
    const line = cleanText(text).replace(/\s+/g, ' ').trim();
    if (line === '') return;
    const depth = Math.min(Math.max(level, 1), 6);
    this.headings.push({ level: depth, text: line.slice(0, MAX_HEADING_LENGTH).toWellFormed(), charStart: this.next() });
    this.add(`${'#'.repeat(depth)} ${line}`);
  }

  /** A paragraph, a list, a table: whatever is worth keeping together. */
  block(text: string): void {
    const block = cleanText(text).replace(/^\s*\n|\s+$/g, '');
    if (block !== '') this.add(block);
  }

  /** Markdown whose headings are known already, with their offsets in it. */
  section(text: string, headings: readonly ExtractedHeading[]): void {
    const start = this.next();
    for (const heading of headings) this.headings.push({ ...heading, charStart: start + heading.charStart });
    if (text !== '') this.add(text);
  }

  firstHeading(): string | null {
    return this.headings.find(({ level }) => level === 1)?.text ?? null;
  }

  /** @throws {ExtractionFailed} `no_text`. */
  toDocument(title: string | null | undefined, metadata: Record<string, unknown> = {}): ExtractedDocument {
    return requireText({ text: this.blocks.join(SEPARATOR), title: cleanTitle(title), pages: this.pages, headings: this.headings, metadata });
  }

  private next(): number {
    return this.blocks.length === 0 ? 0 : this.codePoints + SEPARATOR.length;
  }

  private add(block: string): void {
    this.units += block.length + SEPARATOR.length;
    if (this.units > MAX_TEXT_LENGTH) throw new ExtractionFailed('archive_limits', 'The file unpacks to more text than is read.');
    const charStart = this.next();
    this.codePoints = charStart + codePointLength(block);
    this.blocks.push(block);
    if (this.pending !== null) this.pages.push({ number: this.pending, charStart, charEnd: charStart });
    this.pending = null;
    const page = this.pages.at(-1);
    if (page !== undefined) page.charEnd = this.codePoints;
  }
}
