import { access, constants, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Connection, Table } from '@lancedb/lancedb';
import { KeyedMutex } from './keyed-mutex.js';
import { contentsOf, type CollectionContents } from './lancedb.contents.js';
import { isConflict, isNotFound } from './lancedb.errors.js';
import { ensureIndexes } from './lancedb.indexes.js';
import { KEPT_VERSIONS_MS, LanceDbMaintenance, type Tables } from './lancedb.maintenance.js';
import { dimensionsOf, distanceOf, schemaOf, tableName, toArrow, whereDocument, whereTenant, whereVersion } from './lancedb.rows.js';
import { searchTable } from './lancedb.search.js';
import { checkCollectionName, checkCollectionPrefix, checkPoints } from './vector-checks.js';
import { CollectionMissing, VectorDimensionMismatch, VectorDistanceMismatch } from './vector-store.errors.js';
import { DISTANCES, VectorStore } from './vector-store.js';
import type { Capacities, CollectionOptions, DocumentScope, VectorHit, VectorPoint, VectorQuery, VersionRange, VersionScope } from './vector-store.js';

type LanceDb = typeof import('@lancedb/lancedb');

export interface LanceDbOptions {
  /** Created when missing; several processes may share it. */
  directory: string;
  logger: { warn(message: string): void };
  /** How long a version of a table stays readable after the next one; 2 minutes. */
  keptVersionsMs?: number;
  /** Whether it looks after the tables by the clock, as a server does; true. */
  sweeps?: boolean;
}

const CONFLICT_ATTEMPTS = 12;
const TABLES_PER_PAGE = 1000;

/** The store that needs no server: LanceDB in this process, one directory a collection. */
export class LanceDbStore extends VectorStore {
  override readonly capacities: Capacities = { keyword: true, maxDimensions: 16_000, distances: DISTANCES };
  private readonly writers = new KeyedMutex();
  private readonly maintenance: LanceDbMaintenance;

  private constructor(
    private readonly lancedb: LanceDb,
    private readonly connection: Connection,
    private readonly directory: string,
    { logger, keptVersionsMs = KEPT_VERSIONS_MS, sweeps = true }: LanceDbOptions,
  ) {
    super();
    const tables: Tables = {
      lancedb,
      directory,
      open: (table) => this.openTable(table),
      names: () => this.tableNames(),
      exclusively: (table, work) => this.writers.run(table, work),
      warn: (message) => logger.warn(message),
    };
    this.maintenance = new LanceDbMaintenance(tables, keptVersionsMs, sweeps);
  }

  static async open(options: LanceDbOptions): Promise<LanceDbStore> {
    // Read once, when the native library loads; without it every query writes a warning.
    // oxlint-disable-next-line node/no-process-env -- written for the library, not read as configuration
    process.env['LANCEDB_LOG'] ??= 'error';
    const lancedb = await import('@lancedb/lancedb');
    await mkdir(options.directory, { recursive: true });
    // 0 makes each operation look for commits of other processes first.
    const connection = await lancedb.connect(options.directory, { readConsistencyInterval: 0 });
    return new LanceDbStore(lancedb, connection, options.directory, options);
  }

  override async ensureCollection(name: string, { dimensions, distance = 'cosine' }: CollectionOptions): Promise<void> {
    checkCollectionName(name);
    await this.write(name, async () => {
      const created = () => this.connection.createEmptyTable(tableName(name), schemaOf(dimensions, distance));
      const table = (await this.openTable(tableName(name))) ?? (await created());
      const existing = await table.schema();
      if (dimensionsOf(existing) !== dimensions) throw new VectorDimensionMismatch(dimensionsOf(existing), dimensions);
      if (distanceOf(existing) !== distance) throw new VectorDistanceMismatch(distanceOf(existing), distance);
      await ensureIndexes(this.lancedb, table);
    });
  }

  override async dropCollection(name: string): Promise<void> {
    checkCollectionName(name);
    await this.write(name, () => this.dropTable(tableName(name)));
  }

  override async dropCollections(prefix: string): Promise<number> {
    checkCollectionPrefix(prefix);
    // A long name is cut behind its first hundred characters: what a table's name begins with, its collection's does, too.
    const tables = (await this.tableNames()).filter((name) => name.startsWith(prefix));
    for (const table of tables) await this.write(table, () => this.dropTable(table));
    return tables.length;
  }

  override async replaceDocument(collection: string, version: VersionScope, points: readonly VectorPoint[]): Promise<void> {
    const written = await this.onTable(collection, false, async (table) => {
      const dimensions = dimensionsOf(await table.schema());
      checkPoints(version, points, dimensions);
      await this.write(collection, () => this.replace(table, version, points, dimensions));
      return true;
    });
    if (!written) throw new CollectionMissing(collection);
    this.maintenance.noteWrite(tableName(collection));
  }

  override async deleteDocument(collection: string, document: DocumentScope, versions: VersionRange = {}): Promise<void> {
    await this.onTable(collection, undefined, async (table) => {
      await this.write(collection, () => table.delete(whereDocument(document, versions)));
      this.maintenance.noteWrite(tableName(collection));
    });
  }

  override async search(collection: string, query: VectorQuery): Promise<VectorHit[]> {
    if (query.limit < 1 || query.documentIds?.length === 0) return [];
    return this.onTable(collection, [], (table) => searchTable(this.lancedb, table, query));
  }

  override async count(collection: string, tenantId: string): Promise<number> {
    return this.onTable(collection, 0, (table) => table.countRows(whereTenant(tenantId)));
  }

  override async ping(): Promise<{ latencyMs: number }> {
    const start = performance.now();
    // By itself LanceDB finds no tables where there is no directory. The separator at the end asks for one.
    await access(`${this.directory}${path.sep}`, constants.R_OK | constants.W_OK);
    await this.connection.tableNames({ limit: 1 });
    return { latencyMs: performance.now() - start };
  }

  override async close(): Promise<void> {
    await this.maintenance.close();
    this.connection.close();
  }

  /**
   * Hands `read` everything in the collection, as it is when the reading begins; others may go on writing. Meanwhile no process tidies the table
   * up, with which the files of older versions would go. Undefined when there is no such collection.
   * @throws the signal's AbortError while it waits for somebody who is tidying up
   */
  async readAll<T>(collection: string, signal: AbortSignal, read: (contents: CollectionContents) => Promise<T>): Promise<T | undefined> {
    checkCollectionName(collection);
    const name = tableName(collection);
    const lease = await this.maintenance.holdOff(name, signal);
    if (!lease) return undefined;
    try {
      return await this.onTable(collection, undefined, async (table) => read(await contentsOf(table)));
    } finally {
      await lease.release();
    }
  }

  /** Makes the collection with everything that `readAll` found in it, where there is none yet. */
  async fill(collection: string, { dimensions, distance, pages }: CollectionContents): Promise<void> {
    checkCollectionName(collection);
    const table = await this.connection.createEmptyTable(tableName(collection), schemaOf(dimensions, distance));
    for await (const points of pages) await table.add(toArrow(points, dimensions));
    await ensureIndexes(this.lancedb, table);
  }

  /** What else happens by the clock: looks after every table, whoever wrote to it. */
  maintain(): Promise<void> {
    return this.maintenance.sweep();
  }

  private async dropTable(table: string): Promise<void> {
    try {
      await this.connection.dropTable(table);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  private async tableNames(): Promise<string[]> {
    const names: string[] = [];
    for (let pageToken: string | undefined; ; ) {
      const page = await this.connection.listTables({ limit: TABLES_PER_PAGE, ...(pageToken === undefined ? {} : { pageToken }) });
      names.push(...page.tables);
      if (!page.pageToken) return names;
      pageToken = page.pageToken;
    }
  }

  private async replace(table: Table, version: VersionScope, points: readonly VectorPoint[], dimensions: number): Promise<void> {
    const where = whereVersion(version);
    if (points.length === 0) return void (await table.delete(where));
    await ensureIndexes(this.lancedb, table);
    const rows = toArrow(points, dimensions);
    // A merge reads the keys of the whole table (0.2 s at 60,000 rows), and most documents are new.
    if ((await table.countRows(where)) === 0) await table.add(rows);
    else {
      await table
        .mergeInsert(['tenant_id', 'document_id', 'id'])
        .whenMatchedUpdateAll()
        .whenNotMatchedInsertAll()
        .whenNotMatchedBySourceDelete({ where })
        .execute(rows);
    }
    await this.removeTwins(table, where, points.length);
  }

  /**
   * Two additions are no conflict to LanceDB: a worker that was stopped while it added, and whose job another one did meanwhile, adds all of it
   * a second time. The later of the two sees both. Numbers of rows change when the table is tidied up, and are then asked for again.
   */
  private async removeTwins(table: Table, where: string, expected: number): Promise<void> {
    while ((await table.countRows(where)) > expected) {
      const rows: { id: string; _rowid: bigint }[] = await table.query().where(where).withRowId().select(['id']).toArray();
      const kept = new Set<string>();
      const twins = rows.toSorted((a, b) => (a._rowid < b._rowid ? -1 : 1)).filter(({ id }) => kept.size === kept.add(id).size);
      if (twins.length === 0) return;
      await table.delete(`_rowid IN (${twins.map((twin) => twin._rowid).join(', ')})`);
    }
  }

  private async onTable<T>(collection: string, absent: T, work: (table: Table) => Promise<T>): Promise<T> {
    checkCollectionName(collection);
    const table = await this.openTable(tableName(collection));
    if (!table) return absent;
    try {
      return await work(table);
    } catch (error) {
      // Dropped while we worked on it, or truly damaged?
      if (isNotFound(error) && !(await this.openTable(tableName(collection)))) return absent;
      throw error;
    }
  }

  /** Handles are not kept: opening costs half a millisecond, and a kept one would outlive a drop by another process. */
  private async openTable(table: string): Promise<Table | undefined> {
    try {
      return await this.connection.openTable(table);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** One writer a collection in this process; against those of other processes it tries again. */
  private async write<T>(collection: string, work: () => Promise<T>): Promise<T> {
    return this.writers.run(tableName(collection), async () => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await work();
        } catch (error) {
          if (attempt === CONFLICT_ATTEMPTS || !isConflict(error)) throw error;
          await delay(Math.random() * 10 * 2 ** Math.min(attempt, 6));
        }
      }
    });
  }
}
