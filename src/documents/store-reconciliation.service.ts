import { Injectable, Logger } from '@nestjs/common';
import { AppError } from '../common/errors.js';
import { Collections } from '../databases/collections/collections.service.js';
import type { ScheduledTask } from '../jobs/job-handler.js';
import { backupRuns } from '../persistence/backup-lock.js';
import { Transactions } from '../persistence/transactions.js';
import { Reconciliations } from '../tenancy/reconciliations.service.js';
import { StoreReconciliationRepository, type BlobOwner, type CollectionToCount, type RowKey } from './store-reconciliation.repository.js';
import { BlobStore } from './storage/blob-store.js';

/** What the rows and the stores beside the database do not agree on. */
export interface StoreReconciliationReport {
  blobsChecked: number;
  /** Files that no document has, and how many bytes they take. */
  orphanBlobs: number;
  orphanBytes: number;
  /** Of these, how many were removed. */
  removedBlobs: number;
  documentsChecked: number;
  /** Documents whose file is gone. */
  missingBlobs: number;
  collectionsChecked: number;
  /** Documents came or went in them meanwhile, so nothing can be said of them. */
  collectionsSkipped: number;
  collectionsWithDrift: number;
  /** The first of each. */
  examples: { orphanBlobs: string[]; missingBlobs: string[]; collections: (RowKey & { recorded: number; counted: number })[] };
  durationMs: number;
}

const PAGE = 500;
const MOST_EXAMPLES = 20;
/** A file is in its place before its row commits: until then it is no orphan. */
const IN_FLIGHT_MS = 3_600_000;
const REMOVABLE_MS = 24 * 3_600_000;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

const nothing = (): Omit<StoreReconciliationReport, 'durationMs'> => ({
  blobsChecked: 0, orphanBlobs: 0, orphanBytes: 0, removedBlobs: 0, documentsChecked: 0, missingBlobs: 0, collectionsChecked: 0, collectionsSkipped: 0, collectionsWithDrift: 0,
  examples: { orphanBlobs: [], missingBlobs: [], collections: [] },
});

type Findings = ReturnType<typeof nothing>;

/** Compares files and vectors with the rows, page by page; nothing is locked, so what is in flux is left out or looked at twice. */
@Injectable()
export class StoreReconciliation implements ScheduledTask {
  readonly name = 'reconcile-stores';
  readonly cron = '11 2 * * *';
  private readonly logger = new Logger(StoreReconciliation.name);

  constructor(
    private readonly transactions: Transactions,
    private readonly repository: StoreReconciliationRepository,
    private readonly blobs: BlobStore,
    private readonly collections: Collections,
    private readonly reconciliations: Reconciliations,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    await this.reconcile({ repair: false, signal });
  }

  /** @param request `repair` removes files that nobody has had for a day, unless a backup is being made; all other drift is only told. @throws the signal's reason */
  async reconcile({ repair, signal }: { repair: boolean; signal?: AbortSignal }): Promise<StoreReconciliationReport> {
    const begun = performance.now();
    const findings = nothing();
    await this.findOrphans(findings, repair, signal);
    await this.findMissing(findings, signal);
    await this.countVectors(findings, signal);
    const report = { ...findings, durationMs: performance.now() - begun };
    const { orphanBlobs, missingBlobs, collectionsWithDrift, removedBlobs } = report;
    if (orphanBlobs + missingBlobs + collectionsWithDrift > 0) this.logger.warn({ orphanBlobs, missingBlobs, collectionsWithDrift, removedBlobs }, 'files or vectors differ from the rows');
    await this.reconciliations.record('stores', report.durationMs, report);
    return report;
  }

  private async findOrphans(findings: Findings, repair: boolean, signal?: AbortSignal): Promise<void> {
    for await (const directory of this.blobs.directories()) {
      // What is no tenant's is not ours to judge.
      if (!UUID.test(directory)) continue;
      for await (const names of this.blobs.namesIn(directory, PAGE)) {
        signal?.throwIfAborted();
        const ids = names.map((name) => name.slice(0, 36)).filter((id) => UUID.test(id));
        const { owned, mayRemove } = await this.transactions.forTenant(directory, async (tx) => ({ owned: await this.repository.findBlobKeys(tx, ids), mayRemove: !(await backupRuns(tx)) }));
        const known = new Set(owned);
        findings.blobsChecked += names.length;
        for (const key of names.map((name) => `${directory}/${name}`)) if (!known.has(key)) await this.judgeOrphan(findings, key, repair && mayRemove);
      }
    }
  }

  private async judgeOrphan(findings: Findings, key: string, repair: boolean): Promise<void> {
    const facts = await this.blobs.find(key);
    const ageMs = Date.now() - (facts?.modifiedMs ?? Number.POSITIVE_INFINITY);
    if (!facts || ageMs < IN_FLIGHT_MS) return;
    findings.orphanBlobs += 1;
    findings.orphanBytes += facts.sizeBytes;
    if (findings.examples.orphanBlobs.length < MOST_EXAMPLES) findings.examples.orphanBlobs.push(key);
    if (!repair || ageMs < REMOVABLE_MS) return;
    await this.blobs.remove(key);
    findings.removedBlobs += 1;
    this.logger.warn({ blob_key: key, size_bytes: facts.sizeBytes }, 'a file that no document has was removed');
  }

  private async findMissing(findings: Findings, signal?: AbortSignal): Promise<void> {
    for await (const owners of this.pages((after) => this.transactions.forSystem((tx) => this.repository.listBlobOwners(tx, after, PAGE)), signal)) {
      findings.documentsChecked += owners.length;
      for (const owner of owners) for (const key of new Set(owner.blobKeys)) if ((await this.blobs.find(key)) === null) await this.judgeMissing(findings, owner, key);
    }
  }

  /** Not when the document was deleted, or has another file, since its row was read. */
  private async judgeMissing(findings: Findings, owner: BlobOwner, blobKey: string): Promise<void> {
    if (!(await this.transactions.forTenant(owner.tenantId, (tx) => this.repository.stillNeedsBlob(tx, owner, blobKey)))) return;
    findings.missingBlobs += 1;
    if (findings.examples.missingBlobs.length < MOST_EXAMPLES) findings.examples.missingBlobs.push(blobKey);
  }

  private async countVectors(findings: Findings, signal?: AbortSignal): Promise<void> {
    for await (const collections of this.pages((after) => this.transactions.forSystem((tx) => this.repository.listCollections(tx, after, PAGE)), signal)) {
      for (const collection of collections) {
        signal?.throwIfAborted();
        await this.compareVectors(findings, collection);
      }
    }
  }

  /** The store answers at some moment between two looks at the rows: only if these say the same, it can be held against them. */
  private async compareVectors(findings: Findings, place: CollectionToCount): Promise<void> {
    const { tenantId, id } = place;
    const expect = () => this.transactions.forTenant(tenantId, (tx) => this.repository.expectVectors(tx, id));
    const before = await expect();
    const counted = await this.count(place);
    const after = await expect();
    if (counted === null || !before || !after || before.unsettled > 0 || after.unsettled > 0 || before.points !== after.points) {
      findings.collectionsSkipped += 1;
      return;
    }
    findings.collectionsChecked += 1;
    if (counted === after.points) return;
    findings.collectionsWithDrift += 1;
    if (findings.examples.collections.length < MOST_EXAMPLES) findings.examples.collections.push({ tenantId, id, recorded: after.points, counted });
  }

  /** Null when the server of a tenant is away or switched off: that is no drift. */
  private async count(place: CollectionToCount): Promise<number | null> {
    try {
      return await (await this.collections.of(place)).count(place.tenantId);
    } catch (error) {
      if (place.serverType !== 'EMBEDDED' && error instanceof AppError) return null;
      throw error;
    }
  }

  private async *pages<Row extends RowKey>(read: (after: RowKey | null) => Promise<Row[]>, signal?: AbortSignal): AsyncGenerator<Row[]> {
    for (let after: RowKey | null = null; ; ) {
      signal?.throwIfAborted();
      const rows: Row[] = await read(after);
      if (rows.length > 0) yield rows;
      if (rows.length < PAGE) return;
      const { tenantId, id } = rows.at(-1)!;
      after = { tenantId, id };
    }
  }
}
