import type { ExtractedDocument } from '../extracted-document.js';
import { DocumentText } from './document-text.js';
import { markdownTable } from './markdown-table.js';

/** Puts the text of an RTF file into paragraphs, headings, lists, tables and notes. */
export class RtfLayout {
  private readonly document = new DocumentText();
  private paragraph = '';
  private level: number | null = null;
  private listItem = false;
  private inTable = false;
  private cells: string[] = [];
  private rows: string[][] = [];
  private noteCount = 0;
  private notes: string[] = [];

  /** By the number of a style; 1 is the outermost. */
  readonly styleLevels = new Map<number, number>();

  write(text: string): void {
    this.paragraph += text;
  }

  beginListItem(): void {
    this.listItem = true;
  }

  /** Marks the place in the text; the note itself follows the paragraph or the table. */
  beginNote(): void {
    this.noteCount += 1;
    this.write(`[${this.noteCount}]`);
  }

  endNote(text: string): void {
    this.notes.push(`[${this.noteCount}] ${text.trim()}`);
  }

  /** A control word that is about paragraphs and tables; any other changes nothing. */
  control(word: string, parameter: number | null): void {
    switch (word) {
      case 'pard':
        [this.level, this.listItem, this.inTable] = [null, false, false];
        break;
      case 's':
        this.level = this.styleLevels.get(parameter ?? 0) ?? null;
        break;
      case 'outlinelevel':
        this.level = parameter === null || parameter > 8 ? null : parameter + 1;
        break;
      case 'intbl':
        this.inTable = true;
        break;
      case 'par':
      case 'sect':
      case 'page':
        if (this.inTable) this.paragraph += '\n';
        else this.endParagraph();
        break;
      case 'nestcell':
        this.paragraph += '\n';
        break;
      case 'cell':
        this.cells.push(this.paragraph);
        this.paragraph = '';
        break;
      case 'row':
        this.rows.push(this.cells);
        this.cells = [];
        break;
    }
  }

  /** @throws {ExtractionFailed} `no_text`. */
  toDocument(title: string | null, metadata: Record<string, unknown>): ExtractedDocument {
    // A table that is cut short still has what it has.
    if (this.cells.length > 0) this.control('row', null);
    this.endParagraph();
    this.endTable();
    return this.document.toDocument(title ?? this.document.firstHeading(), metadata);
  }

  private endParagraph(): void {
    const text = this.paragraph;
    this.paragraph = '';
    if (text.trim() !== '') {
      this.endTable();
      if (this.level !== null) this.document.heading(this.level, text);
      else this.document.block(this.listItem ? `- ${text.trim()}` : text);
    }
    this.writeNotes();
    // The mark belongs to one item; the next brings its own.
    this.listItem = false;
  }

  private endTable(): void {
    if (this.rows.length === 0) return;
    this.document.block(markdownTable(this.rows));
    this.rows = [];
    this.writeNotes();
  }

  private writeNotes(): void {
    // Those of a table wait for its end.
    if (this.rows.length > 0 || this.cells.length > 0) return;
    for (const note of this.notes) this.document.block(note);
    this.notes = [];
  }
}
