import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Principal } from '../../common/principal.js';
import { keepAnswer } from '../../idempotency/claim.js';
import { violates } from '../../persistence/postgres-errors.js';
import { Transactions, type TenantTx } from '../../persistence/transactions.js';
import { CollectionRemoval } from '../collections/collection-removal.handler.js';
import { DatabaseContentsHolder } from '../database-contents.js';
import type { DatabaseEntity } from '../database.entity.js';
import { DatabaseNotFound, ReindexNotFound, ReindexNotRunning, ReindexRunning } from '../databases.errors.js';
import { DatabasesRepository } from '../databases.repository.js';
import { mayUse } from '../databases.service.js';
import { ReindexDto, type CreateReindexDto } from '../dto/reindex.dto.js';
import { IndexSettingsChoice } from '../index-settings.service.js';
import { settingsOf, type ReindexEntity } from './reindex.entity.js';
import { ReindexesRepository } from './reindexes.repository.js';

/** A search that began before the swap still reads the old collection. */
const OLD_COLLECTION_KEPT_SECONDS = 60;

/** A reindex that runs, and the database as it will be. */
export interface RunningReindex {
  reindex: ReindexEntity;
  /** With the model, distance and collection that the reindex gives it. */
  next: DatabaseEntity;
}

/**
 * The way of a database into another collection. Until the swap, which is one transaction, everything is read from and written to the old one; so
 * there are never two models in one collection, and never a search without its documents.
 */
@Injectable()
export class Reindexes {
  constructor(
    private readonly transactions: Transactions,
    private readonly databases: DatabasesRepository,
    private readonly reindexes: ReindexesRepository,
    private readonly choice: IndexSettingsChoice,
    private readonly removal: CollectionRemoval,
    private readonly contents: DatabaseContentsHolder,
  ) {}

  /** @throws DatabaseNotFound, ReindexRunning, and what the settings are refused with */
  async begin(principal: Principal, databaseId: string, dto: CreateReindexDto): Promise<ReindexDto> {
    const { tenantId, userId } = principal;
    const database = await this.transactions.forTenant(tenantId, (tx) => this.find(tx, principal, databaseId));
    const settings = await this.choice.choose(databaseId, database, dto, database);
    const id = uuidv7();
    try {
      return await this.transactions.forTenant(tenantId, async (tx) => {
        const locked = await this.databases.lock(tx, databaseId);
        if (!locked) throw new DatabaseNotFound();
        const generation = locked.lastGeneration + 1;
        const documentsTotal = await this.contents.get().count(tx, databaseId);
        await this.reindexes.insert(tx, { ...settings, id, databaseId, userId, generation, documentsTotal });
        await this.databases.update(tx, databaseId, { lastGeneration: generation });
        await this.contents.get().scheduleReindex(tx, id);
        return keepAnswer(tx, ReindexDto.from(this.require(await this.reindexes.findById(tx, id))));
      });
    } catch (error) {
      throw violates(error, 'reindexes_running') ? new ReindexRunning() : error;
    }
  }

  /** The latest one. @throws DatabaseNotFound, ReindexNotFound */
  latest(principal: Principal, databaseId: string): Promise<ReindexDto> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      await this.find(tx, principal, databaseId);
      return ReindexDto.from(this.require(await this.reindexes.findLatest(tx, databaseId)));
    });
  }

  /** The database stays as it is. @throws DatabaseNotFound, ReindexNotFound, ReindexNotRunning */
  cancel(principal: Principal, databaseId: string): Promise<ReindexDto> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      const database = await this.find(tx, principal, databaseId);
      const latest = this.require(await this.reindexes.findLatest(tx, databaseId));
      const running = await this.reindexes.lockRunning(tx, latest.id);
      if (!running) throw new ReindexNotRunning(this.require(await this.reindexes.findById(tx, latest.id)).status);
      await this.end(tx, database, running, { status: 'CANCELLED' });
      return ReindexDto.from(this.require(await this.reindexes.findById(tx, running.id)));
    });
  }

  /** Null when it does not run any more, or its database is gone. */
  findRunning(tenantId: string, id: string): Promise<RunningReindex | null> {
    return this.transactions.forTenant(tenantId, async (tx) => {
      const reindex = await this.reindexes.findById(tx, id);
      const database = reindex?.status === 'RUNNING' && (await this.databases.findById(tx, reindex.databaseId));
      return reindex && database ? { reindex, next: { ...database, ...settingsOf(reindex) } } : null;
    });
  }

  /** Notes how far it is, or what it stumbled over. False when it does not run any more. */
  async note(tx: TenantTx, id: string, patch: Pick<ReindexEntity, 'attempt' | 'error'> & Partial<Pick<ReindexEntity, 'documentsDone'>>): Promise<boolean> {
    if (!(await this.reindexes.lockRunning(tx, id))) return false;
    await this.reindexes.update(tx, id, patch);
    return true;
  }

  /** It cannot be done; the database stays as it is. */
  async fail(tx: TenantTx, id: string, error: { code: string; message: string }): Promise<void> {
    const running = await this.reindexes.lockRunning(tx, id);
    const database = running && (await this.databases.findEvenDeleted(tx, running.databaseId));
    if (running && database) await this.end(tx, database, running, { status: 'FAILED', error });
  }

  /**
   * Makes the new collection the one that is read and written, if it is whole. Nobody completes a document meanwhile: whoever was about to does it
   * again, into the new one.
   * @param isWhole whether every document that readers see is in the new collection
   */
  async swap(tx: TenantTx, id: string, isWhole: () => Promise<boolean>): Promise<boolean> {
    const running = await this.reindexes.lockRunning(tx, id);
    if (!running) return false;
    await this.databases.lockGeneration(tx, running.databaseId);
    const database = await this.databases.lock(tx, running.databaseId);
    if (!database || !(await isWhole())) return false;
    await this.databases.update(tx, database.id, settingsOf(running));
    await this.reindexes.update(tx, id, { status: 'FINISHED', error: null });
    await this.reindexes.forgetDocuments(tx, id);
    await this.removal.schedule(tx, database, [database.generation], OLD_COLLECTION_KEPT_SECONDS);
    return true;
  }

  private async end(tx: TenantTx, database: DatabaseEntity, { id, generation }: ReindexEntity, patch: { status: 'CANCELLED' | 'FAILED'; error?: ReindexEntity['error'] }): Promise<void> {
    await this.reindexes.update(tx, id, patch);
    await this.reindexes.forgetDocuments(tx, id);
    await this.removal.schedule(tx, database, [generation]);
  }

  private async find(tx: TenantTx, principal: Principal, id: string): Promise<DatabaseEntity> {
    const database = mayUse(principal, id) && (await this.databases.findById(tx, id));
    if (!database) throw new DatabaseNotFound();
    return database;
  }

  private require(reindex: ReindexEntity | null): ReindexEntity {
    if (!reindex) throw new ReindexNotFound();
    return reindex;
  }
}
