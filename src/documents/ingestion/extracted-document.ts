import { ExtractionFailed } from './extraction-failed.js';

/** Offsets count Unicode code points of `ExtractedDocument.text`; `charEnd` is exclusive. */
export interface ExtractedPage {
  /** From 1. */
  number: number;
  charStart: number;
  charEnd: number;
}

export interface ExtractedHeading {
  /** 1–6. */
  level: number;
  text: string;
  /** Where the heading's line starts. */
  charStart: number;
}

/** What every extractor makes of a file, whatever its format. */
export interface ExtractedDocument {
  /** Markdown or plain text: `\n` newlines, well-formed UTF-16, no NUL; otherwise as the author wrote it (not normalised). */
  text: string;
  title: string | null;
  /** Ascending; empty when the format knows no pages. */
  pages: ExtractedPage[];
  /** Ascending by `charStart`. */
  headings: ExtractedHeading[];
  metadata: Record<string, unknown>;
}

const MAX_TITLE_LENGTH = 500;

/** Removes what PostgreSQL text cannot hold (NUL, lone surrogates) before any offset is counted. */
export function cleanText(text: string): string {
  return text.replaceAll('\0', '').replace(/\r\n?/g, '\n').toWellFormed();
}

/** A title fit for one line, or null. */
export function cleanTitle(title: string | null | undefined): string | null {
  // Sliced first: a megabyte of <title> is not worth a regular expression; sliced again after the spaces are gone.
  const line = cleanText((title ?? '').slice(0, 10 * MAX_TITLE_LENGTH)).replace(/\s+/g, ' ').trim();
  return line === '' ? null : line.slice(0, MAX_TITLE_LENGTH).toWellFormed();
}

/** @throws {ExtractionFailed} `no_text` when there is nothing but white space. */
export function requireText(document: ExtractedDocument): ExtractedDocument {
  if (!/\S/.test(document.text)) throw new ExtractionFailed('no_text', 'The file contains no text.');
  return document;
}
