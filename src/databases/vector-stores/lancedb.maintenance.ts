import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Table } from '@lancedb/lancedb';
import { isConflict, isNotFound } from './lancedb.errors.js';
import { buildVectorIndex, needsVectorIndex } from './lancedb.indexes.js';
import { Lease } from './lancedb.lease.js';

type LanceDb = typeof import('@lancedb/lancedb');

/** What maintenance needs of the store; tables are named as LanceDB names them. */
export interface Tables {
  readonly lancedb: LanceDb;
  readonly directory: string;
  open(table: string): Promise<Table | undefined>;
  names(): Promise<string[]>;
  /** While no other writer of this process is at the table. */
  exclusively<T>(table: string, work: () => Promise<T>): Promise<T>;
  warn(message: string): void;
}

/** Long enough for a search of another process to finish on the version it began with; a large table's may take a gigabyte each. */
export const KEPT_VERSIONS_MS = 2 * 60_000;
const FIRST_SWEEP_MS = 60_000;
const SWEEP_EVERY_MS = 15 * 60_000;
/** Each write of points leaves a fragment behind, and each row outside its index slows full text: 5,000 of them from 3 to 78 ms. */
const FRAGMENTS = 20;
const UNINDEXED_ROWS = 1000;
/** Rounds cost by the size of the table, so a large one may leave more undone between them. */
const FRAGMENTS_PER_ROW = 1 / 1000;
const UNINDEXED_PER_ROW = 1 / 50;
/** A process rests four times as long as it worked, so that most of the machine is left to those it works for. */
const REST = 4;
const LONGEST_REST_MS = 120_000;
const PATIENCE_AT_CLOSE_MS = 2000;
const BETWEEN_LOOKS_MS = 100;

/**
 * Keeps tables fast and small, in the background, one after the other. What is due is read from the table itself, so it matters neither
 * which process wrote nor which one was restarted; of several processes one works on a table at a time.
 */
export class LanceDbMaintenance {
  private readonly pending = new Set<string>();
  private readonly closing = new AbortController();
  private working: Promise<void> | undefined;
  private sweeper: NodeJS.Timeout | undefined;

  constructor(
    private readonly tables: Tables,
    private readonly keptVersionsMs: number,
    sweeps: boolean,
  ) {
    // Not all processes at the same moment.
    if (sweeps) this.sweeper = this.sweepAfter(FIRST_SWEEP_MS * (1 + 4 * Math.random()));
  }

  /** Returns at once. */
  noteWrite(table: string): void {
    this.pending.add(table);
    this.working ??= this.workOff();
  }

  /** Looks at every table: what no later write would have noticed, old versions above all. */
  async sweep(): Promise<void> {
    for (const table of await this.tables.names()) {
      if (this.closing.signal.aborted) return;
      await this.round(table, 'sweep');
    }
  }

  /**
   * Keeps every process from tidying the table up until the lease is released; waits for one that is at it. Undefined when there is no such table.
   * @throws the signal's AbortError
   */
  async holdOff(table: string, signal: AbortSignal): Promise<Lease | undefined> {
    for (;;) {
      const lease = await this.lease(table);
      if (lease || !(await this.tables.open(table))) return lease;
      await delay(BETWEEN_LOOKS_MS, undefined, { signal });
    }
  }

  /** What runs is left behind soon: each of its steps is a commit, so it may break off anywhere. */
  async close(): Promise<void> {
    this.closing.abort();
    clearTimeout(this.sweeper);
    this.pending.clear();
    if (this.working) await Promise.race([this.working, delay(PATIENCE_AT_CLOSE_MS, undefined, { ref: false })]);
  }

  private sweepAfter(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      void this.sweep()
        .catch((error: unknown) => this.tables.warn(`Looking for tables to maintain failed: ${String(error)}`))
        .finally(() => {
          if (!this.closing.signal.aborted) this.sweeper = this.sweepAfter(SWEEP_EVERY_MS * (1 + Math.random() / 5));
        });
    }, ms).unref();
  }

  private async workOff(): Promise<void> {
    for (const table of this.pending) {
      this.pending.delete(table);
      const begun = performance.now();
      const didWork = await this.round(table, 'write');
      if (didWork) await this.rest(Math.min(LONGEST_REST_MS, REST * (performance.now() - begun)));
      if (this.closing.signal.aborted) break;
    }
    this.working = undefined;
  }

  private async rest(ms: number): Promise<void> {
    await delay(ms, undefined, { ref: false, signal: this.closing.signal }).catch(() => undefined);
  }

  /** @returns whether there was anything to do */
  private async round(name: string, after: 'write' | 'sweep'): Promise<boolean> {
    try {
      const table = await this.tables.open(name);
      if (!table || !(await this.isDue(table, after))) return false;
      const lease = await this.lease(name);
      if (!lease) return false;
      try {
        await this.maintain(name, table);
      } finally {
        await lease.release();
      }
      return true;
    } catch (error) {
      // Dropped meanwhile, or many are writing; the next write or sweep asks again.
      if (!isNotFound(error) && !isConflict(error)) this.tables.warn(`Maintenance of the table "${name}" failed: ${String(error)}`);
      return true;
    }
  }

  private lease(table: string): Promise<Lease | undefined> {
    return Lease.take(path.join(this.tables.directory, `${table}.lance`, '.maintenance'));
  }

  private async isDue(table: Table, after: 'write' | 'sweep'): Promise<boolean> {
    const [indexes, { numRows, fragmentStats }] = await Promise.all([table.listIndices(), table.stats()]);
    const unindexed = Math.max(0, ...indexes.map(({ numUnindexedRows }) => numUnindexedRows ?? 0));
    if (await needsVectorIndex(table, indexes)) return true;
    if (after === 'write') return fragmentStats.numFragments >= FRAGMENTS + numRows * FRAGMENTS_PER_ROW || unindexed >= UNINDEXED_ROWS + numRows * UNINDEXED_PER_ROW;
    return unindexed > 0 || (await this.hasOldVersions(table));
  }

  private async hasOldVersions(table: Table): Promise<boolean> {
    const versions = await table.listVersions();
    const kept = Date.now() - this.keptVersionsMs;
    // The newest one of them is what the table is now.
    return versions.slice(0, -1).some(({ timestamp }) => timestamp.getTime() < kept);
  }

  private async maintain(name: string, table: Table): Promise<void> {
    await this.optimize(name, table);
    if (await needsVectorIndex(table, await table.listIndices())) await buildVectorIndex(this.tables.lancedb, table);
  }

  /** A compaction that loses against a delete leaves its files behind for days, so after one loss our own writers wait for it. */
  private async optimize(name: string, table: Table): Promise<void> {
    const optimize = () => table.optimize({ cleanupOlderThan: new Date(Date.now() - this.keptVersionsMs) });
    try {
      await optimize();
    } catch (error) {
      if (!isConflict(error)) throw error;
      await this.tables.exclusively(name, optimize);
    }
  }
}
