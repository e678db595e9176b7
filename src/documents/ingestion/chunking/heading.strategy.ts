import type { ChunkSource } from './chunk-source.js';
import type { ChunkOptions } from './chunking.js';
import { isWithin, tokenBudget, tokenCost } from './limits.js';
import { cutBySize } from './recursive.strategy.js';
import { trim, type Span } from './span.js';

/** A heading with all that is below it, or what stands above the first heading below; without blanks at its end. */
interface Part extends Span {
  /** The headings below this one, as indices `[from, to)`. */
  below: { from: number; to: number };
}

/** Neighbouring parts that are to be one chunk. */
interface Group extends Span {
  tokens: number;
}

/**
 * By the tree of headings: a section that fits with all its subsections is never cut. In one that does not, small neighbours (its own text
 * and its subsections) are merged up to the chunk's size, and what is larger is taken apart likewise; text that no heading divides is cut
 * by size, which is the only place where neighbours overlap. A heading stays with what follows it.
 */
export function* cutByHeadings(source: ChunkSource, options: ChunkOptions): Generator<Span> {
  const whole = trim(source.text, source.whole);
  if (whole === null) return;
  if (isWithin(source.text, whole, options)) yield whole;
  else yield* new HeadingCut(source, options).takeApart({ ...whole, below: { from: 0, to: source.outline.headings.length } });
}

class HeadingCut {
  /** Where in the list the section of each heading ends. */
  private readonly ends: number[];
  private readonly budget: number;

  constructor(
    private readonly source: ChunkSource,
    private readonly options: ChunkOptions,
  ) {
    this.ends = endsOf(source.outline.headings.map(({ level }) => level));
    this.budget = tokenBudget(options);
  }

  *takeApart(section: Part): Generator<Span> {
    let group: Group | null = null;
    for (const part of this.partsOf(section)) {
      const tokens = this.tokensOf(part);
      if (group !== null && part.end - group.start <= this.options.chunkSize && group.tokens + tokens <= this.budget) {
        group = { start: group.start, end: part.end, tokens: group.tokens + tokens };
        continue;
      }
      // A group of nothing but headings is cut together with the part that it is too much for.
      const leads: boolean = group !== null && !this.source.outline.hasBody(group);
      if (group !== null && !leads) yield* this.asChunks(group);
      if (!leads && tokens <= this.budget) {
        group = { start: part.start, end: part.end, tokens };
        continue;
      }
      yield* this.cut({ ...part, start: leads && group !== null ? group.start : part.start });
      group = null;
    }
    if (group !== null) yield* this.asChunks(group);
  }

  private cut(part: Part): Generator<Span> {
    return part.below.from < part.below.to ? this.takeApart(part) : cutBySize(this.source.text, part, this.options);
  }

  private *partsOf({ start, end, below: { from, to } }: Part): Generator<Part> {
    const { headings } = this.source.outline;
    const part = (span: Span, below: Part['below']): Part[] => {
      const trimmed = trim(this.source.text, span);
      return trimmed === null ? [] : [{ ...trimmed, below }];
    };
    yield* part({ start, end: headings[from]?.charStart ?? end }, { from, to: from });
    for (let at = from; at < to; at = this.ends[at]!) {
      yield* part({ start: headings[at]!.charStart, end: Math.min(end, headings[this.ends[at]!]?.charStart ?? end) }, { from: at + 1, to: this.ends[at]! });
    }
  }

  /** Only of what is small enough to be asked for them, so that a section is not counted on each of its levels. */
  private tokensOf(part: Span): number {
    return part.end - part.start > this.options.chunkSize ? Infinity : tokenCost(this.source.text, part, this.options);
  }

  /** One, unless the tokens of the parts were fewer than those of the whole. */
  private *asChunks(group: Group): Generator<Span> {
    if (isWithin(this.source.text, group, this.options)) yield { start: group.start, end: group.end };
    else yield* cutBySize(this.source.text, group, this.options);
  }
}

function endsOf(levels: readonly number[]): number[] {
  const ends = levels.map(() => levels.length);
  const open: number[] = [];
  levels.forEach((level, at) => {
    while (open.length > 0 && levels[open.at(-1)!]! >= level) ends[open.pop()!] = at;
    open.push(at);
  });
  return ends;
}
