import type { GroupConcurrencyConfig, PgBoss } from 'pg-boss';
import { QUEUE_SCHEMA } from './queue.setup.js';

const LIVING_WORKERS = `
  SELECT count(*)::int AS workers FROM ${QUEUE_SCHEMA}.instance
   WHERE supervise AND stopped_on IS NULL AND heartbeat_on > now() - make_interval(secs => 3 * heartbeat_seconds)`;

/**
 * How much of a queue one group may have running at once. The queue counts that over all processes; so what one of them may give is multiplied by
 * how many there are, since otherwise no number of further workers would do anything for a tenant that has much.
 */
export class GroupShares {
  /** What one process may give, by the limit that the queue reads anew at each fetch. */
  private readonly shares = new Map<GroupConcurrencyConfig, number>();
  private workers = 1;
  private timer: NodeJS.Timeout | undefined;
  private counting: Promise<void> | undefined;

  constructor(
    private readonly boss: PgBoss,
    private readonly everyMs: number,
    private readonly warn: (error: unknown) => void,
  ) {}

  /** A limit that grows and shrinks with the number of workers. */
  async ofEachProcess(share: number): Promise<GroupConcurrencyConfig> {
    const limit = { default: share * this.workers };
    this.shares.set(limit, share);
    this.timer ??= setInterval(() => void this.count(), this.everyMs).unref();
    await this.count();
    return limit;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private count(): Promise<void> {
    return (this.counting ??= this.countWorkers()
      .catch(this.warn)
      .finally(() => (this.counting = undefined)));
  }

  private async countWorkers(): Promise<void> {
    const { rows } = await this.boss.getDb().executeSql(LIVING_WORKERS);
    // One that has been silent for a while does not count itself, yet works.
    this.workers = Math.max(1, (rows as [{ workers: number }])[0].workers);
    for (const [limit, share] of this.shares) limit.default = share * this.workers;
  }
}
