import { setTimeout as delay } from 'node:timers/promises';
import { Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { DataSource, QueryFailedError } from 'typeorm';
import { errorCode, errorMessage } from '../common/error-code.js';
import type { HealthAnswer } from '../metrics/health-checks.js';
import { runtimeOptions } from './data-source.js';
import { LastingConnection } from './lasting-connection.js';
import { DatabaseUnavailable } from './postgres-errors.js';
import { RecentWrites } from './recent-writes.js';
import type { ReplicaMetrics } from './replica.metrics.js';

/** Between two looks; a tenant that wrote is read from the primary for this much longer than the replica needs. */
const LOOK_EVERY_MS = 250;
const FIRST_PAUSE_MS = 10;
/** A replica without a free connection is no reason to wait: the primary may have one. */
const CONNECT_WITHIN_MS = 1000;
/** PostgreSQL gave up a query on the replica because it stood in the way of what was to be replayed; the replica is well. */
const CONFLICT = /^(40001|40P01)$/;
const isConflict = ({ cause }: DatabaseUnavailable): boolean => CONFLICT.test(errorCode(cause instanceof QueryFailedError ? cause.driverError : cause));
const SAME_DATABASE = `(SELECT system_identifier FROM pg_control_system())::text || ' ' || current_database()`;

export interface ReplicaOptions {
  primaryUrl: string;
  url: string;
  poolSize: number;
  maxLagMs: number;
}

/** A replica that shows all that somebody may expect to see, or says on the way that it does not. */
export interface Copy {
  source: DataSource;
  /** Of the primary's log; a server that has not replayed that far is none to read from. */
  position: string;
}

/** The server that answered had not replayed what it had to show. Of several behind one address it may have been another than the one that was looked at. */
export class ReplicaBehind extends Error {
  override readonly name = 'ReplicaBehind';
}

class ReplicaLost extends Error {
  override readonly name = 'ReplicaLost';
}

/**
 * A streaming replica for reads that may be a little old. Several times a second it asks how far the primary's log is by then, and waits until
 * the replica has replayed that much: so it knows of a moment before which everything, of every process, is there, by this process's clock
 * alone. Whoever has written since is read from the primary, and so is everybody once that moment is too long ago.
 */
export class Replica implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(Replica.name);
  private readonly writes = new RecentWrites();
  private readonly stopping = new AbortController();
  private readonly primaryPosition: LastingConnection;
  private readonly standby: LastingConnection;
  private following: Promise<void> = Promise.resolve();
  private source: DataSource | undefined;
  private readonly waiting = new Set<(loss: ReplicaLost) => void>();
  private shows: { untilMs: number; position: string } | undefined;
  private trouble: unknown = 'it was not reached yet';
  private said: 'nothing' | 'follows' | 'lags' | 'away' = 'nothing';

  constructor(
    private readonly primary: DataSource,
    private readonly options: ReplicaOptions,
    private readonly metrics: ReplicaMetrics,
  ) {
    this.primaryPosition = new LastingConnection(options.primaryUrl, 'morag-replica-watch');
    this.standby = new LastingConnection(options.url, 'morag-replica-watch');
    metrics.showLag(() => this.lagMs);
  }

  onModuleInit(): void {
    this.following = this.follow();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.following;
    this.abandon(new Error('this process stops'));
    for (const connection of [this.primaryPosition, this.standby]) connection.close();
  }

  noteWrite(tenantId: string): void {
    this.writes.note(tenantId, performance.now());
  }

  /** Where the tenant's rows may be read; undefined is the primary. */
  choose(tenantId: string): Copy | undefined {
    const { source, shows } = this;
    if (!source || !shows) return this.metrics.count('away');
    if (this.lagMs! > this.options.maxLagMs) return this.metrics.count('behind');
    if (this.writes.last(tenantId) >= shows.untilMs) return this.metrics.count('written');
    return { source, position: shows.position };
  }

  /** What was asked of the replica, unless it is given up meanwhile: nobody waits for one that is silent. */
  async untilLost<T>(answer: Promise<T>): Promise<T> {
    const lost = Promise.withResolvers<never>();
    this.waiting.add(lost.reject);
    try {
      const answered = await Promise.race([answer, lost.promise]);
      this.metrics.count('replica');
      return answered;
    } finally {
      this.waiting.delete(lost.reject);
    }
  }

  /** Whether what failed on the replica is to be tried on the primary, because of the replica and not of the question. */
  mayRepeat(error: unknown): boolean {
    if (!(error instanceof DatabaseUnavailable || error instanceof ReplicaBehind || error instanceof ReplicaLost)) return false;
    this.metrics.count('repeated');
    if (error instanceof DatabaseUnavailable && !isConflict(error)) {
      // Nobody else is sent there until it has answered again.
      this.shows = undefined;
      this.trouble = error.cause;
    }
    return true;
  }

  ask(): HealthAnswer {
    const { lagMs } = this;
    if (lagMs === undefined) throw new Error(errorMessage(this.trouble));
    const late = lagMs > this.options.maxLagMs;
    return { details: { lag_ms: Math.round(lagMs) }, ...(late ? { degradedBecause: `it is ${Math.round(lagMs)} ms behind` } : {}) };
  }

  private get lagMs(): number | undefined {
    return this.shows && performance.now() - this.shows.untilMs;
  }

  private async follow(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const sampledAtMs = performance.now();
      try {
        const sample = await this.primaryPosition.ask<{ position: string; of: string }>(`SELECT pg_current_wal_insert_lsn()::text AS position, ${SAME_DATABASE} AS of`);
        await this.awaitReplay(sample, sampledAtMs);
      } catch (error) {
        // What is known of the replica is true without the primary, too, and runs out.
        this.logger.debug({ err: error }, 'the position of the primary could not be read');
      }
      await this.pause(LOOK_EVERY_MS);
    }
  }

  private async awaitReplay(sample: { position: string; of: string }, sampledAtMs: number): Promise<void> {
    try {
      for (let pauseMs = FIRST_PAUSE_MS; !(await this.hasReplayed(sample)); pauseMs = Math.min(2 * pauseMs, LOOK_EVERY_MS)) {
        if (this.stopping.signal.aborted) return;
        if (performance.now() - sampledAtMs > this.options.maxLagMs) this.say('lags');
        await this.pause(pauseMs);
      }
      this.source ??= await this.open();
    } catch (error) {
      this.abandon(error);
      if (!this.stopping.signal.aborted) this.say('away');
      return;
    }
    this.shows = { untilMs: sampledAtMs, position: sample.position };
    this.writes.forget(sampledAtMs);
    // Half of the bound, so that one who is always just about there is not told of at every look.
    if (this.lagMs! < this.options.maxLagMs / 2) this.say('follows');
  }

  private async hasReplayed({ position, of }: { position: string; of: string }): Promise<boolean> {
    const seen = await this.standby.ask<{ is_standby: boolean; is_there: boolean; of: string }>(
      `SELECT pg_is_in_recovery() AS is_standby, coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, false) AS is_there, ${SAME_DATABASE} AS of`,
      [position],
    );
    if (!seen.is_standby) throw new Error('the server at DATABASE_REPLICA_URL is no standby');
    if (seen.of !== of) throw new Error('DATABASE_REPLICA_URL leads to a replica of something else than the database at DATABASE_URL');
    return seen.is_there;
  }

  private open(): Promise<DataSource> {
    const { url, poolSize } = this.options;
    return new DataSource({ ...runtimeOptions(url, poolSize), connectTimeoutMS: CONNECT_WITHIN_MS, entities: this.primary.options.entities }).initialize();
  }

  /** Whoever waits for it is told, and reads from the primary. */
  private abandon(error: unknown): void {
    const { source } = this;
    this.trouble = error;
    this.shows = undefined;
    this.source = undefined;
    for (const tell of this.waiting) tell(new ReplicaLost(errorMessage(error), { cause: error }));
    source?.destroy().catch((failure: unknown) => this.logger.debug({ err: failure }, 'connections to a replica that is away were not closed'));
  }

  /** Once a change. */
  private say(state: 'follows' | 'lags' | 'away'): void {
    if (state === this.said) return;
    this.said = state;
    const { maxLagMs } = this.options;
    if (state === 'follows') this.logger.log('the replica follows: lists and usage are read there');
    else if (state === 'lags') this.logger.warn(`the replica is more than ${maxLagMs} ms behind: everything is read from the primary until it has caught up`);
    else this.logger.warn({ err: this.trouble }, 'the replica cannot be read: everything is read from the primary until it can be');
  }

  private async pause(milliseconds: number): Promise<void> {
    await delay(milliseconds, undefined, { ref: false, signal: this.stopping.signal }).catch(() => undefined);
  }
}
