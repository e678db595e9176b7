import { Injectable } from '@nestjs/common';
import type { Principal } from '../../common/principal.js';
import type { JobLease } from '../../jobs/job-handler.js';
import { RemoteLeaseLost } from '../../jobs/jobs.errors.js';
import { RemoteJobs } from '../../jobs/remote-jobs.service.js';
import type { RemoteAttempt, RemoteType } from '../../jobs/remote-types.js';
import { Transactions, type TenantTx } from '../../persistence/transactions.js';
import type { DocumentEntity, DocumentRevision } from '../document.entity.js';
import { DocumentChanged } from '../documents.errors.js';
import { AcceptedDto } from '../dto/ingest.dto.js';
import { IngestHandler } from '../ingestion/ingest.handler.js';
import { PurgeHandler } from '../purge.handler.js';
import { BlobStore } from '../storage/blob-store.js';
import { opened, type OpenBlob } from '../storage/open-blob.js';
import { remoteTextKey } from '../versions/blob-keys.js';
import { RevisionSteps } from '../versions/revision-steps.js';
import { revisionOf } from '../versions/transitions.js';
import type { CompleteRemoteJobDto, FailedRemoteJobDto, FailRemoteJobDto, RemoteHeartbeatDto, RemoteJobDto, RenewedRemoteLeaseDto } from './remote.dto.js';

/** A lease survives the loss of two heartbeats. */
const HEARTBEAT_SECONDS = 20;

/** What workers elsewhere do with files that cannot be read here: lease a job, fetch its file, say that they live, and hand in the text. */
@Injectable()
export class RemoteWorkers {
  constructor(
    private readonly transactions: Transactions,
    private readonly jobs: RemoteJobs,
    private readonly steps: RevisionSteps,
    private readonly handler: IngestHandler,
    private readonly blobs: BlobStore,
    private readonly purge: PurgeHandler,
  ) {}

  /** Null when no job waits that the worker could do. */
  lease(principal: Principal, types: readonly RemoteType[]): Promise<RemoteJobDto | null> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      const leased = await this.jobs.lease(tx, principal, types);
      if (!leased) return null;
      const { lease, expiresAt } = leased;
      const document = await this.steps.hold(tx, lease);
      if (!document) throw new DocumentChanged();
      await this.steps.start(tx, document);
      return describe(lease, expiresAt, revisionOf(document));
    });
  }

  /** @throws JobNotFound, RemoteLeaseLost */
  async openContent(principal: Principal, id: string, attempt: number | undefined): Promise<{ file: OpenBlob; mediaType: string }> {
    const { blobKey, mediaType } = await this.transactions.forTenant(principal.tenantId, async (tx) => {
      const { job } = await this.jobs.find(tx, principal, id);
      return revisionOf(await this.hold(tx, principal, { id, attempt: attempt ?? job.attempt }));
    });
    return { file: await opened(this.blobs.openForReading(blobKey), blobKey), mediaType };
  }

  /** @throws JobNotFound, RemoteLeaseLost */
  async heartbeat(principal: Principal, id: string, { attempt, percentage, message }: RemoteHeartbeatDto): Promise<RenewedRemoteLeaseDto> {
    const expiresAt = await this.transactions.forTenant(principal.tenantId, (tx) => this.jobs.renew(tx, principal, { id, attempt }, { percentage: percentage ?? null, message: message ?? null }));
    return { lease_expires_at: expiresAt };
  }

  /** The text is on disk before the job goes on; what comes too late leaves nothing behind. @throws JobNotFound, RemoteLeaseLost, StorageFull */
  async complete(principal: Principal, id: string, { attempt, content }: CompleteRemoteJobDto): Promise<AcceptedDto> {
    const { tenantId } = principal;
    const document = await this.transactions.forTenant(tenantId, (tx) => this.hold(tx, principal, { id, attempt }));
    const { blobKey } = revisionOf(document);
    await this.blobs.write(remoteTextKey(blobKey), content);
    try {
      await this.transactions.forTenant(tenantId, (tx) => this.jobs.goOn(tx, principal, this.handler, { id, attempt }));
    } catch (error) {
      if (error instanceof RemoteLeaseLost) await this.purge.clearFile({ tenantId, documentId: document.id }, blobKey);
      throw error;
    }
    return AcceptedDto.from(id, document.id, Buffer.byteLength(content));
  }

  /** @throws JobNotFound, RemoteLeaseLost */
  async fail(principal: Principal, id: string, { attempt, ...error }: FailRemoteJobDto): Promise<FailedRemoteJobDto> {
    const status = await this.transactions.forTenant(principal.tenantId, (tx) => this.jobs.fail(tx, principal, this.handler, { id, attempt }, error));
    return { job_id: id, status };
  }

  private async hold(tx: TenantTx, principal: Principal, attempt: RemoteAttempt): Promise<DocumentEntity> {
    const document = await this.steps.hold(tx, await this.jobs.hold(tx, principal, attempt));
    if (!document) throw new RemoteLeaseLost();
    return document;
  }
}

function describe({ id, documentId, attempt, remoteType }: JobLease, expiresAt: Date, { name, mediaType, sizeBytes, contentChecksum }: DocumentRevision): RemoteJobDto {
  return {
    id,
    document_id: documentId,
    document_name: name,
    document_type: remoteType!,
    media_type: mediaType,
    size_bytes: sizeBytes,
    content_checksum: contentChecksum,
    attempt,
    lease_expires_at: expiresAt,
    heartbeat_seconds: HEARTBEAT_SECONDS,
  };
}
