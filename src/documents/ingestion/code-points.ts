/** The number of Unicode code points in `text`, in one pass and without an array of them. */
export function codePointLength(text: string): number {
  let length = text.length;
  for (let index = 0; index < text.length - 1; index += 1) {
    if (isPairAt(text, index)) {
      length -= 1;
      index += 1;
    }
  }
  return length;
}

/**
 * Translates between code points and UTF-16 positions of one text. Only the surrogate pairs are remembered, so that
 * the 50 MB of an ordinary text cost no index.
 */
export class CodePoints {
  readonly length: number;
  /** Code point offsets of the characters that take two UTF-16 units, ascending. */
  private readonly pairs: number[] = [];

  constructor(private readonly text: string) {
    for (let index = 0; index < text.length - 1; index += 1) {
      if (isPairAt(text, index)) {
        this.pairs.push(index - this.pairs.length);
        index += 1;
      }
    }
    this.length = text.length - this.pairs.length;
  }

  /** The code points `[start, end)`. */
  slice(start: number, end: number): string {
    return this.text.slice(this.toUnit(start), this.toUnit(end));
  }

  toUnit(codePoint: number): number {
    return codePoint + this.pairsBefore(codePoint);
  }

  private pairsBefore(codePoint: number): number {
    let low = 0;
    let high = this.pairs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.pairs[middle]! < codePoint) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isPairAt(text: string, index: number): boolean {
  const first = text.charCodeAt(index);
  if (first < 0xd800 || first > 0xdbff) return false;
  const second = text.charCodeAt(index + 1);
  return second >= 0xdc00 && second <= 0xdfff;
}
