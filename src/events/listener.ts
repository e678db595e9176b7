import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import pg from 'pg';
import { Transactions } from '../persistence/transactions.js';

/** So long after its last proof of life, what this process has heard still counts as all there was to hear, in milliseconds. */
export const LEASE_MS = 750;
const HEARTBEAT_MS = 250;
/** A connection that is silent for so long is given up. */
const SILENCE_MS = 3000;
const RECONNECT_MS = 500;
/** Where notifications do not come through, looking again sooner would not help. */
const UNHEARD_PAUSE_MS = 30_000;
const APPLICATION_NAME = 'morag-listener';
const PROBE_CHANNEL = 'morag_probe';

type Hear = (payload: string) => void;

/**
 * This process's ear: one connection that LISTENs (PostgreSQL), and knows whether it can be trusted.
 *
 * PostgreSQL hands over all notifications before it answers a query on the same connection, so each answered heartbeat proves that
 * everything committed before it was sent has been heard. That proof is a lease (Gray and Cheriton, "Leases", SOSP 1989): a process
 * that is stopped, cut off or too busy to renew it notices by its own clock, without having to be told.
 */
export class Listener implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(Listener.name);
  private readonly databaseUrl: string;
  private readonly hearers = new Map<string, Hear>();
  private readonly connected: (() => void)[] = [];
  private readonly stopping = new AbortController();
  private client: pg.Client | undefined;
  private confirmedAt = Number.NEGATIVE_INFINITY;
  private isLost = false;
  private running: Promise<void> = Promise.resolve();
  private lastAsked: Promise<void> = Promise.resolve();

  constructor(
    databaseUrl: string,
    private readonly transactions: Transactions,
  ) {
    // The address would have the last word on the name by which the listeners know each other.
    const address = new URL(databaseUrl);
    address.searchParams.delete('application_name');
    this.databaseUrl = address.href;
  }

  onModuleInit(): void {
    this.running = this.run();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** Whether everything that was announced more than a lease ago has been heard; `nowMs` is of `performance.now()`. */
  isCurrent(nowMs: number): boolean {
    return nowMs - this.confirmedAt < LEASE_MS;
  }

  hear(channel: string, hear: Hear): void {
    this.hearers.set(channel, hear);
  }

  /** Called on every new connection, before the first lease: what was announced meanwhile has been missed. */
  onConnected(listener: () => void): void {
    this.connected.push(listener);
  }

  /** Its number among the database's sessions; undefined while it is away. */
  get processId(): number | undefined {
    return (this.client as { processID?: number } | undefined)?.processID;
  }

  /** Announces at once, on the listening connection; its loss is dealt with where it is noticed first. */
  async announce(channel: string, payload: string): Promise<void> {
    if (this.client) await this.ask(this.client, 'SELECT pg_notify($1, $2)', [channel, payload]);
  }

  /** The listeners of all processes on this database, by session number; none while this one is away. */
  async peers(): Promise<number[]> {
    if (!this.client) return [];
    const rows = await this.ask<{ pid: number }>(this.client, 'SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()', [APPLICATION_NAME]);
    return rows.map(({ pid }) => pid);
  }

  /** One query after the other: the driver wants no second one while the first is under way. */
  private ask<Row extends pg.QueryResultRow>(client: pg.Client, sql: string, values: unknown[] = []): Promise<Row[]> {
    const asked = this.lastAsked.then(() => client.query<Row>(sql, values));
    this.lastAsked = asked.then(
      () => undefined,
      () => undefined,
    );
    return asked.then(({ rows }) => rows);
  }

  private async run(): Promise<void> {
    let wasHeard = true;
    while (!this.stopping.signal.aborted) {
      const client = new pg.Client({
        connectionString: this.databaseUrl,
        application_name: APPLICATION_NAME,
        connectionTimeoutMillis: 5000,
        query_timeout: SILENCE_MS,
        keepAlive: true,
      });
      const lost = new Promise<never>((_, reject) => {
        client.once('end', () => reject(new Error('the connection ended')));
        client.on('error', reject);
      });
      // It may come while nobody waits for it yet.
      lost.catch(() => undefined);
      try {
        await client.connect();
        wasHeard = await this.listenOn(client, lost);
        if (wasHeard) await this.renew(client, lost);
        else this.logger.warn('notifications of PostgreSQL do not arrive (does DATABASE_DIRECT_URL, or else DATABASE_URL, lead to a pooler?): nothing is remembered, everything is looked up');
      } catch (error) {
        this.reportLoss(error);
      } finally {
        this.client = undefined;
        this.confirmedAt = Number.NEGATIVE_INFINITY;
        await client.end().catch((error: unknown) => this.logger.debug({ err: error }, 'the listening connection was gone before it was closed'));
      }
      await this.pause(wasHeard ? RECONNECT_MS : UNHEARD_PAUSE_MS);
    }
  }

  /** Whether what is announced on other connections really arrives: behind a pooler in transaction mode LISTEN succeeds and hears nothing. */
  private async listenOn(client: pg.Client, lost: Promise<never>): Promise<boolean> {
    const nonce = randomUUID();
    let probed = (): void => undefined;
    const arrived = new Promise<true>((resolve) => (probed = () => resolve(true)));
    client.on('notification', ({ channel, payload = '' }) => {
      if (channel === PROBE_CHANNEL && payload === nonce) probed();
      else this.hearers.get(channel)?.(payload);
    });
    for (const channel of [PROBE_CHANNEL, ...this.hearers.keys()]) await client.query(`LISTEN ${channel}`);
    await this.transactions.forSystem((tx) => tx.manager.query('SELECT pg_notify($1, $2)', [PROBE_CHANNEL, nonce]));
    return Promise.race([arrived, lost, delay(SILENCE_MS, false, { ref: false, signal: this.stopping.signal })]);
  }

  private async renew(client: pg.Client, lost: Promise<never>): Promise<void> {
    this.client = client;
    if (this.isLost) this.logger.log('the listening connection is back');
    this.isLost = false;
    for (const listener of this.connected) listener();
    while (!this.stopping.signal.aborted) {
      const askedAt = performance.now();
      await this.ask(client, 'SELECT 1');
      this.confirmedAt = askedAt;
      await Promise.race([this.pause(HEARTBEAT_MS), lost]);
    }
  }

  /** Once an outage. */
  private reportLoss(error: unknown): void {
    if (!this.isLost && !this.stopping.signal.aborted) this.logger.warn({ err: error }, 'the listening connection was lost; until it is back everything is looked up');
    this.isLost = true;
  }

  private async pause(milliseconds: number): Promise<void> {
    await delay(milliseconds, undefined, { ref: false, signal: this.stopping.signal }).catch(() => undefined);
  }
}
