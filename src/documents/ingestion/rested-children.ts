import type { ExtractionChild } from './extraction-child.js';

/** Each holds some 60 to 150 MB. */
const MOST_RESTED = 4;
const REST_MS = 15_000;

interface Rested {
  owner: string;
  child: ExtractionChild;
  timer: NodeJS.Timeout;
}

/** Children that may read another file of the same owner: starting one takes longer than reading a small file. */
export class RestedChildren {
  private readonly rested: Rested[] = [];

  take(owner: string): ExtractionChild | undefined {
    const at = this.rested.findLastIndex((rested) => rested.owner === owner && rested.child.isAlive);
    if (at === -1) return undefined;
    const [{ child, timer }] = this.rested.splice(at, 1) as [Rested];
    clearTimeout(timer);
    child.wake();
    return child;
  }

  keep(owner: string, child: ExtractionChild): void {
    child.rest();
    const timer = setTimeout(() => this.discard(this.rested.findIndex((rested) => rested.child === child)), REST_MS);
    timer.unref();
    this.rested.push({ owner, child, timer });
    if (this.rested.length > MOST_RESTED) this.discard(0);
  }

  clear(): void {
    while (this.rested.length > 0) this.discard(0);
  }

  private discard(at: number): void {
    for (const { child, timer } of this.rested.splice(at, 1)) {
      clearTimeout(timer);
      child.kill();
    }
  }
}
