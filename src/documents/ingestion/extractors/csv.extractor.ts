import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CsvError, parse, type InfoRecord } from 'csv-parse';
import type { ExtractedDocument } from '../extracted-document.js';
import { ExtractionFailed } from '../extraction-failed.js';
import { DocumentText } from './document-text.js';
import { decodeOrRefuse } from './plain-text.extractor.js';
import { TableText } from './table-text.js';

const DELIMITERS = [',', ';', '\t', '|'] as const;
const SAMPLE_LENGTH = 65_536;
const SAMPLE_LINES = 50;
const PIECE_LENGTH = 1_000_000;

/**
 * Reads tables of text (RFC 4180, and what spreadsheets make of it): any of four delimiters, rows of any length.
 *
 * @throws {ExtractionFailed} `type_mismatch`, `corrupt_file` with the line, `archive_limits`, `no_text`.
 */
export async function extract(bytes: Buffer): Promise<ExtractedDocument> {
  const { text, encoding } = decodeOrRefuse(bytes);
  // Excel's own way to say it, in a line that is no data.
  const stated = /^sep=([^\n"])(?:\n|$)/i.exec(text);
  const content = stated === null ? text : text.slice(stated[0].length);
  const delimiter = stated?.[1] ?? likelyDelimiter(content);
  const document = new DocumentText();
  const table = new TableText(document);
  let lastLine = stated === null ? 0 : 1;
  const linesBefore = lastLine;
  const onRecord = (record: string[], { lines }: InfoRecord) => {
    lastLine = linesBefore + lines;
    return record;
  };
  const parser = parse({ delimiter, relaxColumnCount: true, relaxQuotes: true, skipEmptyLines: true, onRecord });
  try {
    await pipeline(Readable.from(pieces(content)), parser, async (records: AsyncIterable<string[]>) => {
      for await (const record of records) table.row(record.map((value, column) => ({ column, text: value })));
    });
  } catch (error) {
    if (error instanceof CsvError) throw damaged(error, lastLine);
    throw error;
  }
  table.end();
  return document.toDocument(null, { encoding });
}

function* pieces(text: string): Generator<string> {
  for (let start = 0; start < text.length; start += PIECE_LENGTH) yield text.slice(start, start + PIECE_LENGTH);
}

/** The one that cuts most of the first lines into the same number of fields, more than one; a comma if none does. */
function likelyDelimiter(text: string): string {
  const unquoted = text.slice(0, SAMPLE_LENGTH).replace(/"[^"]*"/g, '""');
  const lines = unquoted.split('\n').filter((line) => line.trim() !== '').slice(0, SAMPLE_LINES);
  let best: { delimiter: string; score: number } = { delimiter: ',', score: 0 };
  for (const delimiter of DELIMITERS) {
    const agreeing = new Map<number, number>();
    for (const line of lines) {
      const count = line.split(delimiter).length - 1;
      if (count > 0) agreeing.set(count, (agreeing.get(count) ?? 0) + 1);
    }
    // Among those that agree as often, the one that cuts into more fields: decimal commas stand within fields of semicolons.
    const score = Math.max(0, ...[...agreeing].map(([count, same]) => same + count / 1000));
    if (score > best.score) best = { delimiter, score };
  }
  return best.delimiter;
}

/** The parser itself names the line where it gave up, which for an open quote is the last one. */
function damaged(error: CsvError, soundLines: number): ExtractionFailed {
  const where = soundLines === 0 ? 'from its first row' : `from the row after line ${soundLines}`;
  const what = error.code === 'CSV_QUOTE_NOT_CLOSED' ? 'a quote is never closed' : 'it cannot be read';
  return new ExtractionFailed('corrupt_file', `The table is damaged ${where} on: ${what}.`, { cause: error });
}
