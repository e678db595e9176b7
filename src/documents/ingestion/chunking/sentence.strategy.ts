import type { ChunkSource } from './chunk-source.js';
import type { ChunkOptions } from './chunking.js';
import { isWithin, tokenBudget, tokenCost } from './limits.js';
import { cutBySize } from './recursive.strategy.js';
import { sentencesIn } from './sentences.js';
import { trim, type Span } from './span.js';

interface Sentence extends Span {
  tokens: number;
}

/**
 * By headings as `cutRecursively`, and then by whole sentences, as many as fit; neighbours share the last sentences of the first one, as
 * many as fit into the overlap. Only a sentence that is larger than a chunk is cut, by size. Headings count to the sentence after them.
 */
export function* cutBySentences(source: ChunkSource, options: ChunkOptions): Generator<Span> {
  for (const section of source.outline.sectionsWithin(source.whole)) {
    const packing = new Packing(source, options);
    for (const sentence of sentencesOf(source, section)) yield* packing.add(sentence);
    yield* packing.finish();
  }
}

/** The first one begins with the section's headings. */
function* sentencesOf({ text, outline }: ChunkSource, section: Span): Generator<Span> {
  const bodyStart = outline.bodyStart(section);
  let start: number | null = section.start;
  for (const sentence of sentencesIn(text, { start: bodyStart, end: section.end })) {
    const led = start === null ? sentence : trim(text, { start, end: sentence.end });
    start = null;
    if (led !== null) yield led;
  }
  // The last section may have nothing below its headings.
  const headings = start === null ? null : trim(text, section);
  if (headings !== null) yield headings;
}

/** The sentences of the chunk that is being filled; the first ones may be shared with the chunk before. */
class Packing {
  private sentences: Sentence[] = [];
  private shared = 0;
  private tokens = 0;
  private readonly budget: number;

  constructor(
    private readonly source: ChunkSource,
    private readonly options: ChunkOptions,
  ) {
    this.budget = tokenBudget(options);
  }

  *add(span: Span): Generator<Span> {
    const fitsAlone = span.end - span.start <= this.options.chunkSize;
    const sentence = { ...span, tokens: fitsAlone ? tokenCost(this.source.text, span, this.options) : Infinity };
    if (!this.hasRoomFor(sentence)) {
      yield* this.finish();
      this.makeRoomFor(sentence);
    }
    if (this.hasRoomFor(sentence)) {
      this.sentences.push(sentence);
      this.tokens += sentence.tokens;
    } else yield* cutBySize(this.source.text, span, this.options);
  }

  /** What was filled, but for a chunk that would bring nothing new. */
  *finish(): Generator<Span> {
    const [first] = this.sentences;
    const last = this.sentences.at(-1);
    if (first === undefined || last === undefined || this.sentences.length === this.shared) return;
    const span = { start: first.start, end: last.end };
    if (isWithin(this.source.text, span, this.options)) {
      yield span;
      this.share(this.sentences.slice(this.overlapFrom(span)));
    } else {
      // The tokens of the sentences were fewer than those of the whole.
      yield* cutBySize(this.source.text, span, this.options);
      this.share([]);
    }
  }

  /** Shares less, down to nothing. */
  private makeRoomFor({ end, tokens }: Sentence): void {
    let total = this.tokens + tokens;
    const from = this.sentences.findIndex((shared) => {
      const fits = end - shared.start <= this.options.chunkSize && total <= this.budget;
      total -= shared.tokens;
      return fits;
    });
    this.share(from === -1 ? [] : this.sentences.slice(from));
  }

  private share(sentences: Sentence[]): void {
    this.sentences = sentences;
    this.shared = sentences.length;
    this.tokens = sentences.reduce((total, { tokens }) => total + tokens, 0);
  }

  private hasRoomFor({ start, end, tokens }: Sentence): boolean {
    return end - (this.sentences[0]?.start ?? start) <= this.options.chunkSize && this.tokens + tokens <= this.budget;
  }

  private overlapFrom({ start, end }: Span): number {
    const overlap = Math.min(this.options.chunkOverlap, Math.floor((end - start) / 2));
    const from = this.sentences.findIndex((sentence) => end - sentence.start <= overlap);
    return from === -1 ? this.sentences.length : from;
  }
}
