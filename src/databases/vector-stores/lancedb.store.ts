import { access, constants, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Connection, FtsOptions, Table } from '@lancedb/lancedb';
import { KeyedMutex } from './keyed-mutex.js';
import { isConflict, isNotFound } from './lancedb.errors.js';
import { dimensionsOf, schemaOf, tableName, toArrow, toHit, whereDocument, whereQuery, whereTenant, whereVersion } from './lancedb.rows.js';
import type { Row } from './lancedb.rows.js';
import { fuse, inOrder } from './ranking.js';
import { checkCollectionName, checkCollectionPrefix, checkPoints, checkVector } from './vector-checks.js';
import { CollectionMissing, VectorDimensionMismatch } from './vector-store.errors.js';
import { VectorStore } from './vector-store.js';
import type { Capacities, CollectionOptions, DocumentScope, VectorHit, VectorPoint, VectorQuery, VersionRange, VersionScope } from './vector-store.js';

type LanceDb = typeof import('@lancedb/lancedb');

export interface LanceDbOptions {
  /** Created when missing; several processes may share it. */
  directory: string;
  logger: { warn(message: string): void };
  /** Writes to one collection between two rounds of maintenance; 20. */
  writesPerMaintenance?: number;
}

/** Long enough for a search of another process to finish on the version it began with. */
const KEPT_VERSIONS_MS = 5 * 60_000;
const CONFLICT_ATTEMPTS = 12;
const TABLES_PER_PAGE = 1000;
/** Candidates beyond the limit, so that equal scores at the edge are cut by id and fusion sees both lists deep enough. */
const MARGIN = 50;
const COLUMNS = ['id', 'document_id', 'version', 'chunk_index'];

/** Segmentation by ICU finds words in scripts without spaces, too; positions would only serve phrase queries. */
const FULL_TEXT: Partial<FtsOptions> = {
  baseTokenizer: 'icu/split',
  language: 'English',
  stem: true,
  lowercase: true,
  asciiFolding: true,
  removeStopWords: false,
  withPosition: false,
};

/** The store that needs no server: LanceDB in this process, one directory a collection. */
export class LanceDbStore extends VectorStore {
  override readonly capacities: Capacities = { keyword: true, maxDimensions: 16_000, distances: ['cosine'] };
  private readonly writers = new KeyedMutex();
  private readonly writes = new Map<string, number>();
  private readonly background = new Set<Promise<void>>();
  private readonly writesPerMaintenance: number;

  private constructor(
    private readonly lancedb: LanceDb,
    private readonly connection: Connection,
    private readonly logger: LanceDbOptions['logger'],
    private readonly options: LanceDbOptions,
  ) {
    super();
    this.writesPerMaintenance = options.writesPerMaintenance ?? 20;
  }

  static async open(options: LanceDbOptions): Promise<LanceDbStore> {
    // Read once, when the native library loads; without it every query writes a warning.
    // oxlint-disable-next-line node/no-process-env -- written for the library, not read as configuration
    process.env['LANCEDB_LOG'] ??= 'error';
    const lancedb = await import('@lancedb/lancedb');
    await mkdir(options.directory, { recursive: true });
    // 0 makes each operation look for commits of other processes first.
    const connection = await lancedb.connect(options.directory, { readConsistencyInterval: 0 });
    return new LanceDbStore(lancedb, connection, options.logger, options);
  }

  override async ensureCollection(name: string, { dimensions }: CollectionOptions): Promise<void> {
    checkCollectionName(name);
    await this.write(name, async () => {
      const created = () => this.connection.createEmptyTable(tableName(name), schemaOf(dimensions));
      const table = (await this.openTable(name)) ?? (await created());
      const existing = dimensionsOf(await table.schema());
      if (existing !== dimensions) throw new VectorDimensionMismatch(existing, dimensions);
      await this.ensureIndexes(table);
    });
  }

  override async dropCollection(name: string): Promise<void> {
    checkCollectionName(name);
    await this.write(name, () => this.dropTable(tableName(name)));
    this.writes.delete(name);
  }

  override async dropCollections(prefix: string): Promise<number> {
    checkCollectionPrefix(prefix);
    // A long name is cut behind its first hundred characters: what a table's name begins with, its collection's does, too.
    const tables = (await this.tableNames()).filter((name) => name.startsWith(prefix));
    for (const table of tables) await this.write(table, () => this.dropTable(table));
    for (const collection of this.writes.keys()) if (collection.startsWith(prefix)) this.writes.delete(collection);
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
    this.countWrite(collection);
  }

  override async deleteDocument(collection: string, document: DocumentScope, versions: VersionRange = {}): Promise<void> {
    await this.onTable(collection, undefined, async (table) => {
      await this.write(collection, () => table.delete(whereDocument(document, versions)));
      this.countWrite(collection);
    });
  }

  override async search(collection: string, query: VectorQuery): Promise<VectorHit[]> {
    if (query.limit < 1 || query.documentIds?.length === 0) return [];
    return this.onTable(collection, [], async (table) => {
      const wanted = query.mode === 'hybrid' ? Math.max(query.limit * 2, 100) : query.limit;
      const [byVector, byKeyword] = await Promise.all([
        query.mode === 'keyword' ? [] : this.nearest(table, query, wanted),
        query.mode === 'vector' ? [] : this.matching(table, query, wanted),
      ]);
      const hits = query.mode === 'hybrid' ? fuse(byVector, byKeyword) : [...byVector, ...byKeyword];
      return hits.slice(0, query.limit);
    });
  }

  override async count(collection: string, tenantId: string): Promise<number> {
    return this.onTable(collection, 0, (table) => table.countRows(whereTenant(tenantId)));
  }

  override async ping(): Promise<{ latencyMs: number }> {
    const start = performance.now();
    // By itself LanceDB finds no tables where there is no directory. The separator at the end asks for one.
    await access(`${this.options.directory}${path.sep}`, constants.R_OK | constants.W_OK);
    await this.connection.tableNames({ limit: 1 });
    return { latencyMs: performance.now() - start };
  }

  override async close(): Promise<void> {
    await Promise.all(this.background);
    this.connection.close();
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

  private async replace(
    table: Table,
    version: VersionScope,
    points: readonly VectorPoint[],
    dimensions: number,
  ): Promise<void> {
    const where = whereVersion(version);
    if (points.length === 0) return void (await table.delete(where));
    await this.ensureIndexes(table);
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

  private async nearest(table: Table, query: VectorQuery, limit: number): Promise<VectorHit[]> {
    if (!query.vector) throw new TypeError(`A search by ${query.mode} needs a vector.`);
    checkVector(query.vector, dimensionsOf(await table.schema()));
    const rows: Row[] = await table
      .query()
      .nearestTo(query.vector)
      .distanceType('cosine')
      .where(whereQuery(query))
      .select([...COLUMNS, '_distance'])
      .limit(limit + MARGIN)
      .toArray();
    const hits = rows.map((row) => {
      const vector = Math.max(-1, Math.min(1, 1 - Number(row._distance)));
      return toHit(row, vector, { vector });
    });
    return inOrder(hits).slice(0, limit);
  }

  private async matching(table: Table, query: VectorQuery, limit: number): Promise<VectorHit[]> {
    const rows: Row[] = await table
      .query()
      // A query object, because in a query string quotes and signs would be syntax.
      .fullTextSearch(new this.lancedb.MatchQuery(query.text, 'text'))
      .where(whereQuery(query))
      .select([...COLUMNS, '_score'])
      .limit(limit + MARGIN)
      .toArray();
    const hits = rows.map((row) => toHit(row, Number(row._score), { keyword: Number(row._score) }));
    return inOrder(hits).slice(0, limit);
  }

  /** Also mends a table whose creator died before its indexes were there; full-text search fails without one. */
  private async ensureIndexes(table: Table): Promise<void> {
    const { Index } = this.lancedb;
    const present = new Set((await table.listIndices()).flatMap(({ columns }) => columns));
    const wanted: Record<string, () => ReturnType<typeof Index.fts>> = {
      text: () => Index.fts(FULL_TEXT),
      tenant_id: () => Index.btree(),
      document_id: () => Index.btree(),
    };
    for (const [column, config] of Object.entries(wanted)) {
      if (!present.has(column)) await table.createIndex(column, { config: config(), replace: false });
    }
  }

  private async onTable<T>(collection: string, absent: T, work: (table: Table) => Promise<T>): Promise<T> {
    checkCollectionName(collection);
    const table = await this.openTable(collection);
    if (!table) return absent;
    try {
      return await work(table);
    } catch (error) {
      // Dropped while we worked on it, or truly damaged?
      if (isNotFound(error) && !(await this.openTable(collection))) return absent;
      throw error;
    }
  }

  /** Handles are not kept: opening costs half a millisecond, and a kept one would outlive a drop by another process. */
  private async openTable(collection: string): Promise<Table | undefined> {
    try {
      return await this.connection.openTable(tableName(collection));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** One writer a collection in this process; against those of other processes it tries again. */
  private async write<T>(collection: string, work: () => Promise<T>): Promise<T> {
    return this.writers.run(collection, async () => {
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

  private countWrite(collection: string): void {
    const writes = (this.writes.get(collection) ?? 0) + 1;
    this.writes.set(collection, writes % this.writesPerMaintenance);
    if (writes < this.writesPerMaintenance) return;
    const round = this.maintain(collection).finally(() => this.background.delete(round));
    this.background.add(round);
  }

  /** Every write leaves a version and unindexed rows behind; nobody waits for tidying them up. */
  private async maintain(collection: string): Promise<void> {
    try {
      await this.onTable(collection, undefined, async (table) => {
        const cleanupOlderThan = new Date(Date.now() - KEPT_VERSIONS_MS);
        await this.writers.run(collection, () => table.optimize({ cleanupOlderThan }));
      });
    } catch (error) {
      // Another process is writing; its round or our next one will do. Trying again would hold up our own writers.
      if (isConflict(error)) return;
      this.logger.warn(`Maintenance of the collection "${collection}" failed: ${String(error)}`);
    }
  }
}
