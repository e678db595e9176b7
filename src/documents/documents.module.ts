import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Config } from '../config/config.js';
import { DatabasesModule } from '../databases/databases.module.js';
import { JobRegistry } from '../jobs/job-registry.js';
import { QuotaCounts } from '../tenancy/quota-counts.js';
import { TenancyModule } from '../tenancy/tenancy.module.js';
import { WebhooksModule } from '../webhooks/webhooks.module.js';
import { ChunksRepository } from './chunks.repository.js';
import { DocumentCharges } from './document-charges.js';
import { DOCUMENT_COUNTS } from './document-counts.js';
import { DocumentBatchesController } from './document-batches.controller.js';
import { DocumentBatches } from './document-batches.service.js';
import { DocumentFilesController } from './document-files.controller.js';
import { DocumentFiles } from './document-files.service.js';
import { DocumentListRepository } from './document-list.repository.js';
import { DocumentStatisticsRepository } from './document-statistics.repository.js';
import { DocumentEntity } from './document.entity.js';
import { DocumentsController } from './documents.controller.js';
import { DocumentsRepository } from './documents.repository.js';
import { DocumentsService } from './documents.service.js';
import { IngestBatchesRepository } from './ingest-batches.repository.js';
import { Conversion } from './ingestion/conversion.service.js';
import { DocumentEmbedding } from './ingestion/document-embedding.js';
import { ChunkPreviews } from './ingestion/chunk-previews.service.js';
import { DocumentEntries } from './ingestion/document-entries.js';
import { EmbeddingCheckpointsRepository } from './ingestion/embedding-checkpoints.repository.js';
import { Extraction } from './ingestion/extraction.js';
import { FileUpload } from './ingestion/file-upload.js';
import { IngestHandler } from './ingestion/ingest.handler.js';
import { IngestionController } from './ingestion/ingestion.controller.js';
import { IngestBatchesController } from './ingestion/ingest-batches.controller.js';
import { IngestBatches } from './ingestion/ingest-batches.service.js';
import { IngestionsService } from './ingestion/ingestions.service.js';
import { IntakeService } from './ingestion/intake.service.js';
import { ProcessingController } from './ingestion/processing.controller.js';
import { UrlDownload } from './ingestion/url-download.js';
import { UrlIngestion } from './ingestion/url-ingestion.service.js';
import { PendingPurgesRepository } from './pending-purges.repository.js';
import { PendingPurges } from './pending-purges.service.js';
import { PurgeHandler } from './purge.handler.js';
import { RemoteWorkersController } from './remote/remote-workers.controller.js';
import { RemoteWorkers } from './remote/remote-workers.service.js';
import { StoreReconciliationRepository } from './store-reconciliation.repository.js';
import { StoreReconciliation } from './store-reconciliation.service.js';
import { BlobStoreHealth } from './storage/blob-store.health.js';
import { openBlobStore } from './storage/blob-store.factory.js';
import { BlobStore } from './storage/blob-store.js';
import { BlobStoreMetrics } from './storage/blob-store.metrics.js';
import { MeteredBlobStore } from './storage/metered.blob-store.js';
import { DocumentContentsRepository } from './versions/document-contents.repository.js';
import { DocumentLife } from './versions/document-life.service.js';
import { ContentsOfDatabases } from './databases/contents-of-databases.js';
import { DatabaseContentsRepository } from './databases/database-contents.repository.js';
import { DatabaseRemoval } from './databases/database-removal.handler.js';
import { ReindexHandler } from './databases/reindex.handler.js';
import { ReindexedVersions } from './databases/reindexed-versions.js';
import { ReindexingRepository } from './databases/reindexing.repository.js';
import { DocumentRevisions } from './versions/document-revisions.js';
import { DocumentRefresh } from './versions/document-refresh.service.js';
import { ReplacementTargets } from './versions/replacement-targets.js';
import { RevisionSteps } from './versions/revision-steps.js';

@Module({
  imports: [TypeOrmModule.forFeature([DocumentEntity]), DatabasesModule, TenancyModule, WebhooksModule],
  controllers: [DocumentsController, DocumentFilesController, DocumentBatchesController, IngestionController, IngestBatchesController, ProcessingController, RemoteWorkersController],
  providers: [
    BlobStoreMetrics,
    { provide: BlobStore, inject: [Config, BlobStoreMetrics], useFactory: async (config: Config, metrics: BlobStoreMetrics) => new MeteredBlobStore(await openBlobStore(config), metrics) },
    { provide: Extraction, useFactory: () => new Extraction() },
    DocumentsRepository, DocumentListRepository, DocumentStatisticsRepository, ChunksRepository, DocumentsService, DocumentFiles, DocumentBatches, DocumentRefresh, DocumentCharges, DocumentEntries, IntakeService, FileUpload, IngestionsService, EmbeddingCheckpointsRepository, DocumentEmbedding, IngestHandler, ChunkPreviews, PurgeHandler,
    UrlDownload, UrlIngestion, Conversion, IngestBatches, IngestBatchesRepository, RemoteWorkers,
    ReindexingRepository, ReindexedVersions, ReindexHandler, DatabaseContentsRepository, DatabaseRemoval, ContentsOfDatabases,
    DocumentContentsRepository, DocumentRevisions, DocumentLife, ReplacementTargets, RevisionSteps,
    PendingPurgesRepository, PendingPurges, StoreReconciliationRepository, StoreReconciliation, BlobStoreHealth,
  ],
  exports: [BlobStore, PendingPurges, StoreReconciliation],
})
export class DocumentsModule {
  constructor(registry: JobRegistry, ingest: IngestHandler, purge: PurgeHandler, reconciliation: StoreReconciliation, counts: QuotaCounts) {
    registry.registerJob(ingest);
    registry.registerTask(purge);
    registry.registerSchedule(reconciliation);
    counts.register(DOCUMENT_COUNTS);
  }
}
