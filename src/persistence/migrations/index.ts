import { TenantsAndUsers1764000000001 } from './1764000000001-tenants-and-users.js';
import { ApiKeysAndDatabases1764000000002 } from './1764000000002-api-keys-and-databases.js';
import { DocumentsAndJobs1764000000003 } from './1764000000003-documents-and-jobs.js';
import { Usage1764000000004 } from './1764000000004-usage.js';
import { KeyRotation1764000000005 } from './1764000000005-key-rotation.js';
import { SessionsAndChanges1764000000006 } from './1764000000006-sessions-and-changes.js';
import { UsageHistory1764000000007 } from './1764000000007-usage-history.js';
import { Reconciliation1764000000013 } from './1764000000013-reconciliation.js';

/** In the order they run. Never edit one that was released: add another. */
export const MIGRATIONS = [
  TenantsAndUsers1764000000001,
  ApiKeysAndDatabases1764000000002,
  DocumentsAndJobs1764000000003,
  Usage1764000000004,
  KeyRotation1764000000005,
  SessionsAndChanges1764000000006,
  UsageHistory1764000000007,
  Reconciliation1764000000013,
];
