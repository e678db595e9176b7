/** Of so many tenants it is known when they wrote last; of the others, that it was before that of the last one who was forgotten. */
const MOST_TENANTS = 10_000;

/** When each tenant was written to last, as far as this process knows, for as long as a replica may lack it; times are of `performance.now()`. */
export class RecentWrites {
  /** The last one is the newest. */
  private readonly times = new Map<string, number>();
  private forgottenUntil = Number.NEGATIVE_INFINITY;

  constructor(private readonly most = MOST_TENANTS) {}

  note(tenantId: string, atMs: number): void {
    this.times.delete(tenantId);
    this.times.set(tenantId, atMs);
    if (this.times.size <= this.most) return;
    const [oldest, writtenAt] = this.times.entries().next().value!;
    this.times.delete(oldest);
    this.forgottenUntil = writtenAt;
  }

  /** Not later than that, if it was written to at all. */
  last(tenantId: string): number {
    return this.times.get(tenantId) ?? this.forgottenUntil;
  }

  /** For what is known to be on the replica. */
  forget(untilMs: number): void {
    for (const [tenantId, writtenAt] of this.times) {
      if (writtenAt > untilMs) return;
      this.times.delete(tenantId);
    }
  }
}
