/** Spares callers the wait for something that does not answer: after a failure it is tried once in a while, until it answers again. */
export class CircuitBreaker {
  private open = false;
  private nextTryMs = 0;

  /**
   * @param restMs between two tries while it is open
   * @param changed told once an outage that it began, with the reason, and that it is over
   */
  constructor(
    private readonly restMs: number,
    private readonly changed: { opened(reason: unknown): void; closed(): void },
  ) {}

  get isOpen(): boolean {
    return this.open;
  }

  /** Whether it is time for a try; whoever is told yes makes it. */
  mayTry(nowMs = performance.now()): boolean {
    if (nowMs < this.nextTryMs) return false;
    this.nextTryMs = nowMs + this.restMs;
    return true;
  }

  fail(reason: unknown, nowMs = performance.now()): void {
    if (this.open) return;
    this.open = true;
    this.nextTryMs = nowMs + this.restMs;
    this.changed.opened(reason);
  }

  succeed(): void {
    if (!this.open) return;
    this.open = false;
    this.changed.closed();
  }
}
