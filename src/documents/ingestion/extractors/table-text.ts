import type { DocumentText } from './document-text.js';

/** Filled cells only, by ascending column: what a sheet claims to be wide costs nothing. */
export type Row = readonly { column: number; text: string }[];

/** How far a header is looked for, below the title and remarks that people put above their tables. */
const LOOK_AHEAD = 20;
/** Every row repeats the names of its columns. */
const MAX_LABEL_LENGTH = 100;

const YEAR = /^(?:19|20)\d\d$/;
const NUMBER = /^[-+(]?[€$£¥]?\s?\d[\d.,\s]*(?:%|[€$£¥])?\)?$|^\d{4}-\d\d-\d\d|^\d{1,2}[./]\d{1,2}[./]\d{2,4}|^\d{1,2}:\d\d|^(?:TRUE|FALSE)$/i;

/**
 * Writes a table row by row, each a paragraph of `Header: value` lines, so that a chunk which begins or ends anywhere in the
 * table still says what its values are. Without a header a row is one line.
 */
export class TableText {
  private readonly waiting: Row[] = [];
  private labels: ReadonlyMap<number, string> | null = null;
  private decided = false;

  constructor(private readonly document: DocumentText) {}

  row(row: Row): void {
    const filled = row.filter(({ text }) => /\S/.test(text));
    if (filled.length === 0) return;
    if (this.decided) return this.write(filled);
    this.waiting.push(filled);
    if (this.waiting.length === LOOK_AHEAD) this.decide();
  }

  end(): void {
    if (!this.decided) this.decide();
  }

  private decide(): void {
    this.decided = true;
    const header = headerAt(this.waiting);
    for (const [index, row] of this.waiting.entries()) {
      // Written once as a row of its own as well: a column without a value has a name, too.
      this.write(row);
      if (index === header) this.labels = new Map(row.map(({ column, text }) => [column, label(text)]));
    }
    this.waiting.length = 0;
  }

  private write(row: Row): void {
    const { labels } = this;
    if (labels === null) return this.document.block(row.map(({ text }) => text.trim()).join(' | '));
    const lines = row.map(({ column, text }) => {
      const name = labels.get(column);
      return name === undefined ? text.trim() : `${name}: ${text.trim()}`;
    });
    this.document.block(lines.join('\n'));
  }
}

/** The first row as wide as most are, if it is all words and years, and a table below it; otherwise -1. */
function headerAt(rows: readonly Row[]): number {
  const widest = rows.reduce((width, row) => Math.max(width, row.length), 0);
  const first = rows.findIndex((row) => row.length >= Math.max(2, 0.75 * widest));
  if (first === -1) return -1;
  const row = rows[first]!;
  const below = rows.slice(first + 1);
  const isTable = below.length > 0 && below.filter(({ length }) => length >= 2).length * 2 >= below.length;
  const values = row.filter(({ text }) => NUMBER.test(text.trim()));
  const isHeader = values.length < row.length && values.every(({ text }) => YEAR.test(text.trim()));
  return isTable && isHeader ? first : -1;
}

function label(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, MAX_LABEL_LENGTH).toWellFormed();
}
