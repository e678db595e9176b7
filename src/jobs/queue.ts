import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { PgBoss, type GroupConcurrencyConfig, type Job } from 'pg-boss';
import { errorMessage } from '../common/error-code.js';
import { formatTraceparent, parseTraceparent, type TraceContext } from '../common/trace-context.js';
import type { AnyTx } from '../persistence/transactions.js';
import { currentContext } from '../tracing/tracing.js';
import { GroupShares } from './group-shares.js';
import { QUEUE_SCHEMA } from './queue.setup.js';

/** How long running jobs may still finish when the process is asked to stop, in milliseconds. */
const DRAIN_MS = 10_000;
/** And how long those that were then aborted may take to say so. */
const HAND_BACK_MS = 3000;
/** A worker that is silent for so long has lost its job. */
const HEARTBEAT_SECONDS = 10;
/** Between two signs of life of a process, whose silence the administrator sees after three. */
const PRESENCE_SECONDS = 5;
/** The heartbeat tells a dead worker from a slow one; this is only the queue's own upper bound. */
const LONGEST_RUN_SECONDS = 24 * 3600 - 1;
/** Practically without end: a job counts its own attempts, and a task has to succeed some day. */
const DELIVERIES = 1_000_000;

export interface QueuedWork {
  /** Of the queue's entry; the same when it is delivered again. */
  id: string;
  data: Record<string, string>;
  /** Of what put it in; undefined of what the clock did. */
  trace: TraceContext | undefined;
  signal: AbortSignal;
}

export interface SendOptions {
  /** Of the entry; made up when left out. */
  id?: string;
  delaySeconds?: number;
  /** A whole number; the highest comes first, and of the same the oldest. */
  priority?: number;
}

/** An entry of the queue that is still to be worked on, in whatever table the queue keeps it. */
export interface WaitingEntry {
  id: string;
  data: Record<string, string>;
  priority: number;
  group: string;
  /** ISO 8601. */
  dueAt: string;
}

/**
 * Every such entry as a row `queue`, `entry`. What somebody is at is among them, since nobody will be after a restore; what the clock puts in,
 * for no tenant, is not, since it does so again.
 */
export const WAITING_ENTRIES = `
  SELECT name AS queue, jsonb_build_object('id', id, 'data', data, 'priority', priority, 'group', group_id,
           'dueAt', to_char(start_after AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) AS entry
    FROM ${QUEUE_SCHEMA}.job WHERE state IN ('created', 'retry', 'active') AND group_id IS NOT NULL ORDER BY created_on, id`;

/** The queue has null of what was put in by the clock. */
function workOf({ id, data, signal }: Job<Record<string, string> | null>): QueuedWork {
  const { traceparent, ...own } = data ?? {};
  return { id, data: own, trace: parseTraceparent(traceparent), signal };
}

/** Carries work from a committed transaction to some worker, at least once (pg-boss). */
@Injectable()
export class Queue {
  private readonly logger = new Logger(Queue.name);
  private readonly boss: PgBoss;
  private readonly shares: GroupShares;
  private readonly created = new Map<string, Promise<void>>();
  private readonly running = new Set<Promise<void>>();
  private started: Promise<unknown> | undefined;
  private stopping = false;

  constructor(databaseUrl: string, { worker }: { worker: boolean }) {
    this.boss = new PgBoss({
      connectionString: databaseUrl,
      // Its sessions only ever read and write the queue's own tables.
      options: '-c role=morag_system',
      schema: QUEUE_SCHEMA,
      application_name: 'morag-queue',
      max: worker ? 5 : 2,
      migrate: false,
      createSchema: false,
      // Any worker may look at the clock; the queue's tables see to it that one of them does.
      schedule: worker,
      supervise: worker,
      reindex: false,
      useListenNotify: worker,
      instanceHeartbeatSeconds: PRESENCE_SECONDS,
      superviseIntervalSeconds: 5,
      monitorIntervalSeconds: 5,
    });
    const warn = (error: unknown): void => this.logger.warn(`queue: ${errorMessage(error)}`);
    this.boss.on('error', warn);
    this.shares = new GroupShares(this.boss, PRESENCE_SECONDS * 1000, warn);
  }

  /** Puts work in as part of the transaction: both happen or neither. As many workers as there are processes are always left for other groups. */
  async send(tx: AnyTx, queue: string, data: Record<string, string>, group: string, { id, delaySeconds = 0, priority = 0 }: SendOptions = {}): Promise<void> {
    await this.prepare(queue);
    const { queryRunner } = tx.manager;
    if (!queryRunner) throw new Error('work is queued inside a transaction only');
    const db = { executeSql: async (sql: string, values?: unknown[]) => ({ rows: ((await queryRunner.query(sql, values, true)).records as unknown[]) ?? [] }) };
    const trace = currentContext();
    await this.boss.send(queue, { ...data, ...(trace && { traceparent: formatTraceparent(trace) }) }, { db, group: { id: group }, startAfter: delaySeconds, priority, ...(id === undefined ? {} : { id }) });
  }

  /** Puts in again, under the ids that they had, entries that a backup found waiting: at once or when they were due. */
  async sendAgain(executeSql: (sql: string, values?: unknown[]) => Promise<{ rows: unknown[] }>, queue: string, entries: readonly WaitingEntry[]): Promise<void> {
    await this.prepare(queue);
    const jobs = entries.map(({ id, data, priority, group, dueAt }) => ({ id, data, priority, group: { id: group }, startAfter: dueAt }));
    await this.boss.insert(queue, jobs, { db: { executeSql } });
  }

  /**
   * Makes the queue where there is none yet. Done when the process starts, so that no request has to wait for it. An `exclusive` one
   * holds one piece of work at most, waiting or running.
   */
  async prepare(queue: string, policy: 'standard' | 'exclusive' = 'standard'): Promise<void> {
    const creation = this.created.get(queue) ?? this.create(queue, policy);
    this.created.set(queue, creation);
    try {
      await creation;
    } catch (error) {
      // A database that was away for a moment must not be remembered for ever.
      this.created.delete(queue);
      this.started = undefined;
      throw error;
    }
  }

  /** Puts work into the queue whenever the clock says so (UTC), for some worker; what was missed while there was none is made up for once. */
  async schedule(queue: string, cron: string): Promise<void> {
    await this.prepare(queue, 'exclusive');
    await this.boss.schedule(queue, cron, undefined, { missed: 'once' });
  }

  /** @param grows whether each further process lets a group have more at once, or all of them together no more than one */
  async work(queue: string, concurrency: number, handle: (work: QueuedWork) => Promise<void>, { grows = false } = {}): Promise<void> {
    await this.prepare(queue);
    // One is always free for somebody else: in turns, the next is whoever waits with least (`JobTurnsRepository`), but long work must not take them all.
    const share = Math.max(1, concurrency - 1);
    const groupConcurrency = grows ? await this.shares.ofEachProcess(share) : share;
    for (let started = 0; started < concurrency; started++) await this.startWorker(queue, groupConcurrency, handle);
  }

  /** Whether this process stops; work is aborted for other reasons, too, such as a silence of its own. */
  get isStopping(): boolean {
    return this.stopping;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    if (!this.started) return;
    this.shares.stop();
    await this.boss.stop({ graceful: true, timeout: DRAIN_MS });
    // The queue aborts what did not finish and does not wait for it, but its last word needs the database that closes next.
    await Promise.race([Promise.allSettled(this.running), delay(HAND_BACK_MS, undefined, { ref: false })]);
  }

  /** One worker each, because only by its own id can one be told to go on. */
  private async startWorker(queue: string, groupConcurrency: number | GroupConcurrencyConfig, handle: (work: QueuedWork) => Promise<void>): Promise<void> {
    const options = { localConcurrency: 1, groupConcurrency, pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 2, heartbeatRefreshSeconds: 2 };
    const worker: { id?: string } = {};
    worker.id = await this.boss.work<Record<string, string>>(queue, options, async ([job]: Job<Record<string, string>>[]) => {
      if (job) await this.track(handle(workOf(job)));
      // Straight to the next one: by itself it would wait for the next notification or two seconds.
      if (worker.id !== undefined) this.boss.notifyWorker(worker.id);
    });
  }

  private async track(work: Promise<void>): Promise<void> {
    this.running.add(work);
    try {
      await work;
    } finally {
      this.running.delete(work);
    }
  }

  private async create(queue: string, policy: 'standard' | 'exclusive'): Promise<void> {
    this.started ??= this.boss.start();
    await this.started;
    await this.boss.createQueue(queue, {
      policy,
      notify: true,
      retryLimit: DELIVERIES,
      retryDelay: 2,
      retryBackoff: true,
      retryDelayMax: 300,
      heartbeatSeconds: HEARTBEAT_SECONDS,
      expireInSeconds: LONGEST_RUN_SECONDS,
    });
  }
}
