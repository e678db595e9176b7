import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { PgBoss, type Job } from 'pg-boss';
import type { AnyTx } from '../persistence/transactions.js';
import { QUEUE_SCHEMA } from './queue.setup.js';

/** How long running jobs may still finish when the process is asked to stop, in milliseconds. */
const DRAIN_MS = 10_000;
/** And how long those that were then aborted may take to say so. */
const HAND_BACK_MS = 3000;
/** A worker that is silent for so long has lost its job. */
const HEARTBEAT_SECONDS = 10;

export interface QueuedWork {
  data: Record<string, string>;
  signal: AbortSignal;
}

export interface QueueLimits {
  retryLimit: number;
  concurrency: number;
}

/** Carries work from a committed transaction to some worker, at least once (pg-boss). */
@Injectable()
export class Queue {
  private readonly logger = new Logger(Queue.name);
  private readonly boss: PgBoss;
  private readonly created = new Map<string, Promise<void>>();
  private readonly running = new Set<Promise<void>>();
  private started: Promise<unknown> | undefined;

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
      schedule: false,
      supervise: worker,
      reindex: false,
      useListenNotify: worker,
      superviseIntervalSeconds: 5,
      monitorIntervalSeconds: 5,
    });
    this.boss.on('error', (error) => this.logger.warn(`queue: ${String(error)}`));
  }

  /** Puts work in as part of the transaction: both happen or neither. Work with the same group shares the workers fairly with other groups. */
  async send(tx: AnyTx, queue: string, data: Record<string, string>, group: string): Promise<void> {
    await this.ready(queue, { retryLimit: 20, concurrency: 1 });
    const { queryRunner } = tx.manager;
    if (!queryRunner) throw new Error('work is queued inside a transaction only');
    const db = { executeSql: async (sql: string, values?: unknown[]) => ({ rows: ((await queryRunner.query(sql, values, true)).records as unknown[]) ?? [] }) };
    await this.boss.send(queue, data, { db, group: { id: group } });
  }

  async work(queue: string, limits: QueueLimits, handle: (work: QueuedWork) => Promise<void>): Promise<void> {
    await this.ready(queue, limits);
    const groupConcurrency = Math.max(1, Math.floor(limits.concurrency / 2));
    for (let started = 0; started < limits.concurrency; started++) await this.startWorker(queue, groupConcurrency, handle);
  }

  async stop(): Promise<void> {
    if (!this.started) return;
    await this.boss.stop({ graceful: true, timeout: DRAIN_MS });
    // The queue aborts what did not finish and does not wait for it, but its last word needs the database that closes next.
    await Promise.race([Promise.allSettled(this.running), delay(HAND_BACK_MS, undefined, { ref: false })]);
  }

  /** One worker each, because only by its own id can one be told to go on. */
  private async startWorker(queue: string, groupConcurrency: number, handle: (work: QueuedWork) => Promise<void>): Promise<void> {
    const options = { localConcurrency: 1, groupConcurrency, pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 2, heartbeatRefreshSeconds: 2 };
    const worker: { id?: string } = {};
    worker.id = await this.boss.work<Record<string, string>>(queue, options, async ([job]: Job<Record<string, string>>[]) => {
      if (job) await this.track(handle({ data: job.data, signal: job.signal }));
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

  private async ready(queue: string, limits: QueueLimits): Promise<void> {
    this.started ??= this.boss.start();
    await this.started;
    let creation = this.created.get(queue);
    if (!creation) {
      creation = this.boss.createQueue(queue, {
        notify: true,
        retryLimit: limits.retryLimit,
        retryDelay: 2,
        retryBackoff: true,
        retryDelayMax: 300,
        heartbeatSeconds: HEARTBEAT_SECONDS,
      });
      this.created.set(queue, creation);
    }
    await creation;
  }
}
