import { ApiProperty } from '@nestjs/swagger';
import type { Purges } from '../../documents/purges.js';
import type { StoreReconciliationReport } from '../../documents/store-reconciliation.service.js';
import type { JobCounts, QueueDepth, QueueProcess } from '../../jobs/queue-state.js';
import { HEALTH_STATUSES, type HealthDetails, type HealthFinding, type HealthStatus } from '../../metrics/health-checks.js';
import type { Totals } from '../../tenancy/installation-totals.service.js';
import type { QuotaReconciliationReport } from '../../tenancy/quota-drift.js';
import type { StoredReconciliation } from '../../tenancy/stored-reconciliation.js';
import { ReconciliationSummaryDto } from './reconciliation.dto.js';

/** What the page is made of besides the dependencies. */
export interface Sections {
  queues: QueueDepth[];
  workers: QueueProcess[];
  jobs: JobCounts;
  totals: Totals;
  pendingPurges: Purges;
  quotas: StoredReconciliation | null;
  stores: StoredReconciliation | null;
}

export class DependencyDto {
  /** Such as `database`, `redis`, `vector_store`, `blob_store`, `embeddings`. */
  name: string;
  @ApiProperty({ enum: HEALTH_STATUSES })
  status: HealthStatus;
  /** Whether the server is down without it. */
  is_essential: boolean;
  /** Null when it was not asked, as of an embedding provider that is paid by the question. */
  latency_ms: number | null;
  /** Why it is not up. */
  reason: string | null;
  /** Such as `free_bytes` of a disk. */
  @ApiProperty({ type: 'object', additionalProperties: true })
  details: HealthDetails;

  static from({ name, status, isEssential, latencyMs, reason, details }: HealthFinding): DependencyDto {
    return { name, status, is_essential: isEssential, latency_ms: latencyMs === null ? null : Math.round(latencyMs * 10) / 10, reason, details };
  }
}

export class QueueDepthDto {
  name: string;
  /** Due, and taken by nobody. */
  waiting: number;
  /** Due later. */
  delayed: number;
  running: number;
  failed: number;
  /** How long the first of those that wait has been due. */
  oldest_waiting_seconds: number | null;

  static from({ oldestWaitingSeconds, ...depth }: QueueDepth): QueueDepthDto {
    return { ...depth, oldest_waiting_seconds: oldestWaitingSeconds };
  }
}

export class WorkerDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  host: string;
  pid: number;
  started_at: Date;
  last_seen_at: Date;
  /** False when it fell silent without saying goodbye. */
  is_alive: boolean;

  static from({ id, host, pid, startedAt, lastSeenAt, isAlive }: QueueProcess): WorkerDto {
    return { id, host, pid, started_at: startedAt, last_seen_at: lastSeenAt, is_alive: isAlive };
  }
}

export class PendingPurgesDto {
  /** Tenants that are being removed with everything they have. */
  tenants: number;
  /** Deleted, and not yet removed from every store. */
  documents: number;
  /** When the document that waits longest was deleted. */
  oldest_at: Date | null;
}

export class LastReconciliationDto extends ReconciliationSummaryDto {
  finished_at: Date;

  static of({ finishedAt, result }: StoredReconciliation): LastReconciliationDto {
    return { ...ReconciliationSummaryDto.summarize(result as QuotaReconciliationReport), finished_at: finishedAt };
  }
}

export class StoreReconciliationDto {
  finished_at: Date;
  /** Files that no document has. */
  orphan_blobs: number;
  orphan_bytes: number;
  /** Of these, how many the run removed. */
  removed_blobs: number;
  /** Documents whose file is gone. */
  missing_blobs: number;
  /** Collections that hold more or fewer vectors than their documents have chunks. */
  collections_with_drift: number;
  /** Collections that changed while they were looked at. */
  collections_skipped: number;

  static from({ finishedAt, result }: StoredReconciliation): StoreReconciliationDto {
    const report = result as StoreReconciliationReport;
    return {
      finished_at: finishedAt,
      orphan_blobs: report.orphanBlobs,
      orphan_bytes: report.orphanBytes,
      removed_blobs: report.removedBlobs,
      missing_blobs: report.missingBlobs,
      collections_with_drift: report.collectionsWithDrift,
      collections_skipped: report.collectionsSkipped,
    };
  }
}

export class TotalsDto {
  tenants: number;
  users: number;
  documents: number;
  storage_bytes: number;
  vector_points: number;
  databases: number;
  api_keys: number;
}

export class JobTotalsDto {
  /** By status, those that have not ended. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'number' } })
  open: Record<string, number>;
  /** By status, those that ended in the last 24 hours. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'number' } })
  ended_last_24h: Record<string, number>;
}

/** A part that could not be read in time is null, and `problems` says so. */
export class InstallationHealthDto {
  /** `down` without something essential; `degraded` when something else is wrong, which `problems` names. */
  @ApiProperty({ enum: HEALTH_STATUSES })
  status: HealthStatus;
  checked_at: Date;
  problems: string[];
  dependencies: DependencyDto[];
  @ApiProperty({ type: [QueueDepthDto], nullable: true })
  queues: QueueDepthDto[] | null;
  /** Processes that run jobs, those included that fell silent within the last hour. */
  @ApiProperty({ type: [WorkerDto], nullable: true })
  workers: WorkerDto[] | null;
  @ApiProperty({ type: PendingPurgesDto, nullable: true })
  pending_purges: PendingPurgesDto | null;
  /** The last comparison of all counters with what there is; null before the first. */
  @ApiProperty({ type: LastReconciliationDto, nullable: true })
  quota_drift: LastReconciliationDto | null;
  /** The last comparison of files and vectors with the rows; null before the first. */
  @ApiProperty({ type: StoreReconciliationDto, nullable: true })
  store_drift: StoreReconciliationDto | null;
  @ApiProperty({ type: TotalsDto, nullable: true })
  totals: TotalsDto | null;
  @ApiProperty({ type: JobTotalsDto, nullable: true })
  jobs: JobTotalsDto | null;

  static from(findings: readonly HealthFinding[], sections: Partial<Sections>, unread: readonly string[]): InstallationHealthDto {
    const { queues, workers, jobs, totals, pendingPurges, quotas, stores } = sections;
    const problems = [...unread, ...findings.filter(({ status }) => status !== 'up').map(({ name, reason }) => `${name}: ${reason ?? 'down'}`), ...wrongIn(sections)];
    const isDown = findings.some(({ status, isEssential }) => isEssential && status === 'down');
    return {
      status: isDown ? 'down' : problems.length > 0 ? 'degraded' : 'up',
      checked_at: new Date(),
      problems,
      dependencies: findings.map((finding) => DependencyDto.from(finding)),
      queues: queues?.map((depth) => QueueDepthDto.from(depth)) ?? null,
      workers: workers?.map((worker) => WorkerDto.from(worker)) ?? null,
      pending_purges: pendingPurges ? { tenants: pendingPurges.tenants, documents: pendingPurges.documents, oldest_at: pendingPurges.oldestAt } : null,
      quota_drift: quotas ? LastReconciliationDto.of(quotas) : null,
      store_drift: stores ? StoreReconciliationDto.from(stores) : null,
      totals: totals ? { tenants: totals.tenants, users: totals.users, documents: totals.documents, storage_bytes: totals.storageBytes, vector_points: totals.vectorPoints, databases: totals.databases, api_keys: totals.apiKeys } : null,
      jobs: jobs ? { open: jobs.open, ended_last_24h: jobs.endedLastDay } : null,
    };
  }
}

/** What is up and yet not right. */
function wrongIn({ workers, quotas, stores }: Partial<Sections>): string[] {
  const problems: string[] = [];
  if (workers && !workers.some(({ isAlive }) => isAlive)) problems.push('workers: none is alive, so no job is run');
  const drift = quotas ? (quotas.result as QuotaReconciliationReport) : undefined;
  if (drift && drift.driftCount > 0 && !drift.isRepaired) problems.push(`quotas: ${drift.driftCount} counters differ from what there is`);
  const found = stores ? (stores.result as StoreReconciliationReport) : undefined;
  if (found && found.orphanBlobs - found.removedBlobs + found.missingBlobs + found.collectionsWithDrift > 0) problems.push('stores: files or vectors differ from the rows');
  return problems;
}
