/** The same numbers for the same seed (mulberry32). */
export class Random {
  constructor(private state: number) {}

  /** A whole number below `bound`. */
  below(bound: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** So many of them, each at most once, in no order. */
  some<T>(items: readonly T[], count: number): T[] {
    const left = [...items];
    return Array.from({ length: Math.min(count, items.length) }, () => left.splice(this.below(left.length), 1)[0]!);
  }

  word(): string {
    return `needle${Array.from({ length: 10 }, () => 'abcdefghijklmnopqrstuvwxyz'[this.below(26)]).join('')}`;
  }
}
