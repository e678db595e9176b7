import { codePointLength, type CodePoints } from '../code-points.js';
import type { ExtractedHeading } from '../extracted-document.js';
import type { Span } from './span.js';

/**
 * A document by its headings. A section goes from a heading to the next one, and a heading without text of its own stays with what
 * follows it: so every section but perhaps the last ends with text.
 */
export class Outline {
  /** Ascending; the first one starts at 0. */
  private readonly sectionStarts: number[] = [0];
  /** Index of the heading one level out, or -1. */
  private readonly parents: number[] = [];

  constructor(
    private readonly text: CodePoints,
    readonly headings: readonly ExtractedHeading[],
  ) {
    this.findSections();
    this.findParents();
  }

  /** The sections that the span touches, cut off at its ends. */
  *sectionsWithin({ start, end }: Span): Generator<Span> {
    for (let at = this.sectionAt(start); at < this.sectionStarts.length && this.sectionStarts[at]! < end; at += 1) {
      yield { start: Math.max(start, this.sectionStarts[at]!), end: Math.min(end, this.endOfSection(at)) };
    }
  }

  /** Whether the span, which starts at a heading and has no blanks at its end, holds more than headings. */
  hasBody({ start, end }: Span): boolean {
    return this.bodyStart({ start, end: this.endOfSection(this.sectionAt(start)) }) < end;
  }

  /** Where the text below a section's last heading begins; its start where it has none. */
  bodyStart({ start, end }: Span): number {
    const heading = this.headings[this.lastHeadingBefore(end)];
    if (heading === undefined || heading.charStart < start) return start;
    const line = this.text.slice(heading.charStart, end);
    const newline = line.indexOf('\n');
    return newline === -1 ? end : heading.charStart + codePointLength(line.slice(0, newline));
  }

  /** The headings above all text of the span, outermost first. */
  pathOf(span: Span): string[] {
    let common: number | null = null;
    for (const { end } of this.sectionsWithin(span)) {
      const heading = this.lastHeadingBefore(end);
      common = common === null ? heading : this.commonAncestor(common, heading);
      if (common === -1) break;
    }
    const path: string[] = [];
    for (let heading = common ?? -1; heading !== -1; heading = this.parents[heading]!) path.unshift(this.headings[heading]!.text);
    return path;
  }

  private findSections(): void {
    let start = 0;
    let heading: number | null = null;
    for (const { charStart } of this.headings) {
      if (this.isBodyBetween(heading, start, charStart)) {
        this.sectionStarts.push(charStart);
        start = charStart;
      }
      heading = charStart;
    }
  }

  /** Whether anything but white space stands between the last heading's line (or the section's start) and `end`. */
  private isBodyBetween(heading: number | null, start: number, end: number): boolean {
    const content = this.text.slice(heading ?? start, end);
    if (heading === null) return content.trim() !== '';
    const newline = content.indexOf('\n');
    return newline !== -1 && content.slice(newline).trim() !== '';
  }

  private findParents(): void {
    const open: number[] = [];
    this.headings.forEach(({ level }, at) => {
      while (open.length > 0 && this.headings[open.at(-1)!]!.level >= level) open.pop();
      this.parents.push(open.at(-1) ?? -1);
      open.push(at);
    });
  }

  /** The parent stands before its children, so the later of two headings is never above the earlier one. */
  private commonAncestor(one: number, other: number): number {
    while (one !== other) {
      if (one > other) one = this.parents[one]!;
      else other = this.parents[other]!;
    }
    return one;
  }

  private endOfSection(at: number): number {
    return this.sectionStarts[at + 1] ?? this.text.length;
  }

  private sectionAt(offset: number): number {
    return countUntil(this.sectionStarts.length, (at) => this.sectionStarts[at]! > offset) - 1;
  }

  private lastHeadingBefore(offset: number): number {
    return countUntil(this.headings.length, (at) => this.headings[at]!.charStart >= offset) - 1;
  }
}

/** The index of the first of `length` things in order that is beyond what is looked for. */
export function countUntil(length: number, isBeyond: (at: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBeyond(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
