import { codePointLength, type CodePoints } from '../code-points.js';
import { trim, type Span } from './span.js';

/** Unicode's rules for the ends of sentences (UAX #29), which know CJK; of a fixed locale, so that a server's own changes nothing. Takes linear time. */
const SEGMENTER = new Intl.Segmenter('en', { granularity: 'sentence' });

const PARAGRAPH_END = /\n[^\S\n]*\n\s*/g;

/** A line goes on in the next one, unless that begins with what Markdown takes for something new: list, table, quotation, heading, fence, code. */
const SOFT_BREAK = /\n(?! {0,3}(?:[-*+•][ \t]|\d{1,9}[.)][ \t]|[|>#]|```|~~~)| {4}|\t)/g;

/** What ends in a full stop and goes on: abbreviations in English, German and French, initials, and the number of a list's item. */
const UNFINISHED =
  /(?:^|[^\p{L}\p{N}])(?:\p{L}|Mr|Mrs|Ms|Dr|Prof|St|Mt|Rev|Hon|Gen|Col|Sgt|Lt|Capt|Sen|Rep|Gov|vs|cf|ca|al|approx|[Ff]igs?|[Ss]ec|[Cc]h|[Vv]ol|[Nn]os?|[Nn]r|pp|[Ee]d|eds|Abb|Abs|Art|Bd|Hr|Fr|Mme|Mlle|MM|bzw|bspw|evtl|ggf|inkl|sog|vgl|[Tt]el)\.$/u;
const NUMBER_OF_ITEM = /^\s*\d{1,9}\.$/;
/** Longer than the longest abbreviation and what stands before it. */
const TAIL_LENGTH = 12;

/** The sentences of a span in order, without blanks around them; together all that is not blank. A paragraph ends a sentence. */
export function* sentencesIn(text: CodePoints, span: Span): Generator<Span> {
  let { start } = span;
  for (const paragraph of paragraphsOf(text.slice(span.start, span.end))) {
    // Of the same length, so that the offsets stay.
    for (const length of sentenceLengths(paragraph.replace(SOFT_BREAK, ' '))) {
      const sentence = trim(text, { start, end: start + length });
      if (sentence !== null) yield sentence;
      start += length;
    }
  }
}

/** Each with the blank lines after it. */
function* paragraphsOf(text: string): Generator<string> {
  let start = 0;
  for (const { index, 0: blank } of text.matchAll(PARAGRAPH_END)) {
    yield text.slice(start, index + blank.length);
    start = index + blank.length;
  }
  if (start < text.length) yield text.slice(start);
}

/** In code points. */
function* sentenceLengths(paragraph: string): Generator<number> {
  let length = 0;
  for (const { segment } of SEGMENTER.segment(paragraph)) {
    length += codePointLength(segment);
    if (isUnfinished(segment)) continue;
    yield length;
    length = 0;
  }
  if (length > 0) yield length;
}

function isUnfinished(segment: string): boolean {
  const sentence = segment.trimEnd();
  return UNFINISHED.test(sentence.slice(-TAIL_LENGTH)) || (sentence.length < TAIL_LENGTH && NUMBER_OF_ITEM.test(sentence));
}
