import { codePointLength } from '../code-points.js';
import type { ExtractedHeading } from '../extracted-document.js';

/** Every chunk of a section repeats its heading; a megabyte on one line must not. */
const MAX_HEADING_LENGTH = 200;

const ATX = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const SETEXT = /^ {0,3}(=+|-+)[ \t]*$/;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;
/** Lines that a rule of dashes below does not turn into a heading. */
const NOT_A_PARAGRAPH = /^(?:\s*$| {4}|\t| {0,3}(?:>|[-*+][ \t]|\d{1,9}[.)][ \t]|\||#{1,6}(?:[ \t]|$)))/;

interface Line {
  text: string;
  charStart: number;
}

/** Finds the ATX and setext headings of Markdown (CommonMark 0.31, §4.2–4.3) outside code fences and front matter. */
export function markdownHeadings(markdown: string): ExtractedHeading[] {
  const headings: ExtractedHeading[] = [];
  let fence: string | null = null;
  let previous: Line | null = null;
  for (const line of lines(markdown, frontMatterLength(markdown))) {
    const marker = FENCE.exec(line.text)?.[1];
    if (fence !== null) {
      if (marker?.startsWith(fence) === true && line.text.trim() === marker) fence = null;
      previous = null;
      continue;
    }
    if (marker !== undefined) {
      fence = marker;
      previous = null;
      continue;
    }
    const heading: ExtractedHeading | null = atxHeading(line) ?? setextHeading(previous, line);
    if (heading !== null && heading.text !== '') headings.push(heading);
    previous = heading === null ? line : null;
  }
  return headings;
}

/** The `title` of YAML front matter, if there is one. */
export function frontMatterTitle(markdown: string): string | null {
  const frontMatter = markdown.slice(0, frontMatterLength(markdown));
  // Trimmed apart: one expression for blanks, quotes and blanks takes a second for a line of blanks.
  const title = /^title:(.*)$/m.exec(frontMatter)?.[1]?.trim();
  return title === undefined ? null : (/^(["'])(.*)\1$/.exec(title)?.[2] ?? title);
}

function frontMatterLength(markdown: string): number {
  if (!/^---[ \t]*\n/.test(markdown)) return 0;
  // Only the beginning is searched: two rules of dashes far apart are no front matter.
  return /^---[ \t]*\n[^]*?\n---[ \t]*(?:\n|$)/.exec(markdown.slice(0, 20_000))?.[0].length ?? 0;
}

function* lines(text: string, skip: number): Generator<Line> {
  let charStart = codePointLength(text.slice(0, skip));
  for (let start = skip; start < text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    const line = text.slice(start, end);
    yield { text: line, charStart };
    charStart += codePointLength(line) + 1;
    start = end + 1;
  }
}

function atxHeading(line: Line): ExtractedHeading | null {
  const match = ATX.exec(line.text);
  if (match === null) return null;
  return { level: match[1]!.length, text: plain((match[2] ?? '').replace(/(?:^|[ \t])#+[ \t]*$/, '')), charStart: line.charStart };
}

function setextHeading(previous: Line | null, line: Line): ExtractedHeading | null {
  const underline = SETEXT.exec(line.text)?.[1];
  if (underline === undefined || previous === null || NOT_A_PARAGRAPH.test(previous.text)) return null;
  return { level: underline.startsWith('=') ? 1 : 2, text: plain(previous.text), charStart: previous.charStart };
}

/** A heading as a person reads it: without links, emphasis and escapes. */
function plain(markdown: string): string {
  const text = markdown
    .slice(0, 5 * MAX_HEADING_LENGTH)
    .replace(/!?\[([^\][]*)\]\([^()]*\)/g, '$1')
    .replace(/(?<!\\)(\*\*|__|\*|`)/g, '')
    .replace(/\\([!-/:-@[-`{-~])/g, '$1')
    .trim();
  return text.slice(0, MAX_HEADING_LENGTH).toWellFormed();
}
