import type { AuditedTable } from './audit-table.js';

const ENDED = 'OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL';
/** In SQL: whoever the transaction says is asking. */
const ACTOR = `(NULLIF(current_setting('app.actor', true), '')::jsonb`;
const WORK_ENDED = `OLD.state IN ('PENDING', 'INGESTING') AND NEW.state IN ('INGESTED', 'FAILED')`;

/** What is recorded of which table, at the time of migration 23; of one table in two parts where one change may be two things at once. */
export const AUDITED: readonly (AuditedTable & { table: string })[] = [
  {
    table: 'tenants',
    target: 'tenant',
    tenant: 'id',
    shown: ['status', 'configuration', 'metadata', 'purge_requested_at'],
    steps: [
      { on: 'UPDATE', action: 'tenant.purge_requested', when: 'OLD.purge_requested_at IS NULL AND NEW.purge_requested_at IS NOT NULL' },
      { on: 'UPDATE', action: 'tenant.status_changed', when: 'OLD.status <> NEW.status' },
      { on: 'UPDATE', action: 'tenant.configured', when: 'OLD.configuration <> NEW.configuration' },
      { on: 'UPDATE', action: 'tenant.updated' },
    ],
  },
  // What it was goes with it.
  { table: 'tenants', target: 'tenant', tenant: 'id', shown: [], steps: [{ on: 'DELETE', action: 'tenant.purged' }] },
  {
    table: 'tenant_quotas',
    target: 'quota',
    id: null,
    name: 'resource',
    shown: ['hard_limit', 'warning_threshold'],
    steps: [{ on: 'UPDATE', action: 'quota.changed' }],
  },
  {
    table: 'tenant_quotas',
    target: 'quota',
    id: null,
    name: 'resource',
    shown: ['level', 'used', 'reserved', 'hard_limit'],
    steps: [{ on: 'UPDATE', action: 'quota.warning', when: `OLD.level = 'below' AND NEW.level <> 'below'` }],
  },
  {
    table: 'tenant_quotas',
    target: 'quota',
    id: null,
    name: 'resource',
    shown: ['level', 'used', 'reserved', 'hard_limit'],
    steps: [
      { on: 'UPDATE', action: 'quota.exceeded', when: `OLD.level <> 'reached' AND NEW.level = 'reached'` },
      { on: 'UPDATE', action: 'quota.recovered', when: `OLD.level <> 'below' AND NEW.level <> OLD.level` },
    ],
  },
  {
    table: 'users',
    target: 'user',
    name: 'name',
    shown: ['name', 'email', 'avatar', 'role', 'is_active'],
    redacted: ['password_hash'],
    steps: [
      { on: 'INSERT', action: 'user.registered', person: 'id' },
      { on: 'UPDATE', action: 'user.role_changed', when: 'OLD.role <> NEW.role' },
      { on: 'UPDATE', action: 'user.deactivated', when: 'OLD.is_active AND NOT NEW.is_active' },
      { on: 'UPDATE', action: 'user.reactivated', when: 'NEW.is_active AND NOT OLD.is_active' },
      // A sign-in may store the hash of the same password anew.
      { on: 'UPDATE', action: 'auth.password_changed', when: 'OLD.password_hash <> NEW.password_hash AND OLD.last_login_at IS NOT DISTINCT FROM NEW.last_login_at' },
      { on: 'UPDATE', action: 'user.updated', when: '(OLD.name, OLD.email, OLD.avatar) IS DISTINCT FROM (NEW.name, NEW.email, NEW.avatar)' },
      { on: 'DELETE', action: 'user.deleted' },
    ],
  },
  {
    table: 'user_settings',
    target: 'user',
    id: 'user_id',
    shown: ['theme', 'language', 'notifications', 'auto_save', 'default_database'],
    steps: [{ on: 'UPDATE', action: 'user.settings_changed' }],
  },
  {
    table: 'sessions',
    target: 'session',
    shown: ['user_id'],
    steps: [
      { on: 'INSERT', action: 'auth.login', person: 'user_id' },
      // Nobody who is not signed in ends a session, but by a refresh token that was used before.
      { on: 'UPDATE', action: 'auth.refresh_replayed', when: `${ENDED} AND ${ACTOR} ->> 'type') = 'anonymous'`, result: 'denied' },
      { on: 'UPDATE', action: 'auth.logout', when: `${ENDED} AND ${ACTOR} ->> 'user_id') = NEW.user_id::text` },
      { on: 'UPDATE', action: 'auth.session_ended', when: ENDED },
    ],
  },
  {
    table: 'api_keys',
    target: 'api_key',
    name: 'name',
    shown: ['name', 'description', 'environment', 'permissions', 'is_active', 'expires_at', 'revoked_at', 'rate_limit_per_hour', 'allowed_ips', 'database_ids', 'metadata', 'rotated_from', 'rotated_to'],
    redacted: ['key_hash'],
    steps: [
      { on: 'INSERT', action: 'api_key.created' },
      { on: 'UPDATE', action: 'api_key.rotated', when: 'OLD.rotated_to IS NULL AND NEW.rotated_to IS NOT NULL' },
      { on: 'UPDATE', action: 'api_key.revoked', when: 'OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL' },
      { on: 'UPDATE', action: 'api_key.updated' },
      { on: 'DELETE', action: 'api_key.deleted' },
    ],
  },
  {
    table: 'database_servers',
    target: 'database_server',
    name: 'name',
    shown: ['name', 'type', 'host', 'port', 'username', 'database', 'collection', 'config', 'is_active'],
    redacted: ['password', 'api_key'],
  },
  {
    table: 'databases',
    target: 'database',
    name: 'name',
    shown: [
      'name', 'description', 'server_id', 'embedding_provider', 'embedding_model', 'dimensions', 'distance', 'chunk_size', 'chunk_overlap', 'chunking_strategy', 'generation', 'deleted_at',
    ],
    redacted: ['embedding_url', 'embedding_api_key'],
    steps: [
      { on: 'INSERT', action: 'database.created' },
      { on: 'UPDATE', action: 'database.deleted', when: 'OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL' },
      { on: 'UPDATE', action: 'database.updated' },
      // Of one that was deleted with its documents, the row goes when the last of them has.
      { on: 'DELETE', action: 'database.deleted', when: 'OLD.deleted_at IS NULL' },
    ],
  },
  {
    table: 'reindexes',
    target: 'reindex',
    shown: ['database_id', 'status', 'embedding_provider', 'embedding_model', 'dimensions', 'distance', 'error'],
    redacted: ['embedding_url', 'embedding_api_key'],
    steps: [
      { on: 'INSERT', action: 'reindex.started' },
      ...(['finished', 'failed', 'cancelled'] as const).map((verb) => ({ on: 'UPDATE' as const, action: `reindex.${verb}`, when: `OLD.status <> NEW.status AND NEW.status = '${verb.toUpperCase()}'` })),
    ],
  },
  {
    table: 'documents',
    target: 'document',
    name: 'name',
    shown: ['title', 'name', 'type', 'database_id', 'state', 'version', 'size_bytes', 'chunk_count', 'metadata', 'processing_error'],
    steps: [
      { on: 'INSERT', action: 'document.created' },
      { on: 'UPDATE', action: 'document.deleted', when: `OLD.state <> 'DELETED' AND NEW.state = 'DELETED'` },
      { on: 'UPDATE', action: 'document.failed', when: `${WORK_ENDED} AND (NEW.state = 'FAILED' OR NEW.processing_error IS NOT NULL)` },
      { on: 'UPDATE', action: 'document.ingested', when: WORK_ENDED },
      { on: 'UPDATE', action: 'document.deprecated', when: `OLD.state <> 'DEPRECATED' AND NEW.state = 'DEPRECATED'` },
      { on: 'UPDATE', action: 'document.restored', when: `OLD.state = 'DEPRECATED' AND NEW.state = 'INGESTED'` },
      {
        on: 'UPDATE',
        action: 'document.replaced',
        when: `OLD.state IN ('INGESTED', 'FAILED') AND NEW.state = 'PENDING' AND COALESCE(NEW.next ->> 'blobKey', NEW.blob_key) <> OLD.blob_key`,
      },
      { on: 'UPDATE', action: 'document.reprocessed', when: `OLD.state IN ('INGESTED', 'FAILED') AND NEW.state = 'PENDING'` },
      { on: 'UPDATE', action: 'document.updated', when: '(OLD.title, OLD.name, OLD.database_id, OLD.metadata) IS DISTINCT FROM (NEW.title, NEW.name, NEW.database_id, NEW.metadata)' },
      { on: 'DELETE', action: 'document.deleted', when: `OLD.state <> 'DELETED'` },
    ],
  },
  {
    table: 'jobs',
    target: 'job',
    shown: ['type', 'document_id', 'status', 'error'],
    steps: [
      { on: 'UPDATE', action: 'job.cancelled', when: `OLD.status <> 'CANCELLED' AND NEW.status = 'CANCELLED'` },
      { on: 'UPDATE', action: 'job.retried', when: `OLD.status IN ('FAILED', 'CANCELLED') AND NEW.status IN ('PENDING', 'WAITING_FOR_REMOTE_WORKER')` },
      { on: 'UPDATE', action: 'job.failed', when: `OLD.status <> 'FAILED' AND NEW.status = 'FAILED'` },
      { on: 'UPDATE', action: 'job.text_received', when: 'OLD.remote_type IS NOT NULL AND NEW.remote_type IS NULL' },
    ],
  },
];
