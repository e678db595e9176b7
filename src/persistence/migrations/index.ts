import { TenantsAndUsers1764000000001 } from './1764000000001-tenants-and-users.js';
import { ApiKeysAndDatabases1764000000002 } from './1764000000002-api-keys-and-databases.js';
import { DocumentsAndJobs1764000000003 } from './1764000000003-documents-and-jobs.js';
import { Usage1764000000004 } from './1764000000004-usage.js';
import { KeyRotation1764000000005 } from './1764000000005-key-rotation.js';
import { SessionsAndChanges1764000000006 } from './1764000000006-sessions-and-changes.js';
import { UsageHistory1764000000007 } from './1764000000007-usage-history.js';
import { QuotaEvents1764000000008 } from './1764000000008-quota-events.js';
import { JobLeases1764000000009 } from './1764000000009-job-leases.js';
import { QuotaHistory1764000000010 } from './1764000000010-quota-history.js';
import { Administration1764000000011 } from './1764000000011-administration.js';
import { TenantPurge1764000000012 } from './1764000000012-tenant-purge.js';
import { Reconciliation1764000000013 } from './1764000000013-reconciliation.js';
import { ListIndexes1764000000014 } from './1764000000014-list-indexes.js';
import { ChunkingStrategy1764000000015 } from './1764000000015-chunking-strategy.js';
import { DocumentVersions1764000000016 } from './1764000000016-document-versions.js';
import { JobControl1764000000017 } from './1764000000017-job-control.js';
import { IngestBatches1764000000018 } from './1764000000018-ingest-batches.js';
import { RemoteWorkers1764000000019 } from './1764000000019-remote-workers.js';
import { DocumentOrders1764000000020 } from './1764000000020-document-orders.js';
import { VectorServers1764000000021 } from './1764000000021-vector-servers.js';
import { EmbeddingUsage1764000000022 } from './1764000000022-embedding-usage.js';
import { Audit1764000000023 } from './1764000000023-audit.js';
import { Webhooks1764000000024 } from './1764000000024-webhooks.js';
import { Idempotency1764000000025 } from './1764000000025-idempotency.js';
import { Partitions1764000000026 } from './1764000000026-partitions.js';

/** In the order they run. Never edit one that was released: add another. */
export const MIGRATIONS = [
  TenantsAndUsers1764000000001,
  ApiKeysAndDatabases1764000000002,
  DocumentsAndJobs1764000000003,
  Usage1764000000004,
  KeyRotation1764000000005,
  SessionsAndChanges1764000000006,
  UsageHistory1764000000007,
  QuotaEvents1764000000008,
  JobLeases1764000000009,
  QuotaHistory1764000000010,
  Administration1764000000011,
  TenantPurge1764000000012,
  Reconciliation1764000000013,
  ListIndexes1764000000014,
  ChunkingStrategy1764000000015,
  DocumentVersions1764000000016,
  JobControl1764000000017,
  IngestBatches1764000000018,
  RemoteWorkers1764000000019,
  DocumentOrders1764000000020,
  VectorServers1764000000021,
  EmbeddingUsage1764000000022,
  Audit1764000000023,
  Webhooks1764000000024,
  Idempotency1764000000025,
  Partitions1764000000026,
];
