import { PgBoss } from 'pg-boss';
import { errorMessage } from '../common/error-code.js';

export const QUEUE_SCHEMA = 'pgboss';
/** Any constant will do, as long as every process that starts uses the same. */
const GRANTS_LOCK = 7_120_321_604_514;

/** What putting work in reads of its queue. The other columns count what is in it, of all tenants. */
const SETTINGS_OF_QUEUE =
  'name, policy, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds, retention_seconds, deletion_seconds, dead_letter, heartbeat_seconds, notify';

/** Only where there is none yet: making one waits for everybody who uses the table. What a tenant puts in is grouped under its id (`Queue.send`). */
const protect = (table: string): string => `
  IF NOT EXISTS (SELECT FROM pg_policies WHERE schemaname = '${QUEUE_SCHEMA}' AND tablename = '${table}' AND policyname = 'tenant_isolation') THEN
    ALTER TABLE ${QUEUE_SCHEMA}.${table} ENABLE ROW LEVEL SECURITY;
    CREATE POLICY tenant_isolation ON ${QUEUE_SCHEMA}.${table} TO morag_app USING (group_id = current_setting('app.tenant_id', true))
      WITH CHECK (group_id = current_setting('app.tenant_id', true) AND data ->> 'tenantId' = group_id);
    CREATE POLICY system_access ON ${QUEUE_SCHEMA}.${table} TO morag_system USING (true) WITH CHECK (true);
  END IF;`;

/** What this version needs of the queue's own tables, in words; null when they are there. */
export async function whatQueueLacks(databaseUrl: string): Promise<string | null> {
  const options = { connectionString: databaseUrl, options: '-c role=morag_system', schema: QUEUE_SCHEMA, application_name: 'morag-queue-setup', max: 1, supervise: false, schedule: false };
  const boss = new PgBoss({ ...options, migrate: false, createSchema: false });
  boss.on('error', () => undefined);
  try {
    await boss.start();
    return null;
  } catch (error) {
    return `the queue: ${errorMessage(error)}`;
  } finally {
    await boss.stop({ graceful: false });
  }
}

/**
 * Installs or upgrades the queue's own tables as the owner of the schema. Tenants may put in work of their own and read back the id
 * of what they put in, nothing else: the payloads of others stay out of their reach, and how much there is of them.
 */
export async function setUpQueue(databaseUrl: string): Promise<void> {
  const boss = new PgBoss({
    connectionString: databaseUrl,
    options: '-c role=morag_owner',
    schema: QUEUE_SCHEMA,
    application_name: 'morag-queue-setup',
    max: 1,
    supervise: false,
    schedule: false,
  });
  const failures: unknown[] = [];
  boss.on('error', (error) => failures.push(error));
  await boss.start();
  // One transaction, and one process at a time: PostgreSQL fails the second of two that change the same rights at once.
  await boss.getDb().executeSql(`
    SELECT pg_advisory_xact_lock(${GRANTS_LOCK});
    GRANT USAGE ON SCHEMA ${QUEUE_SCHEMA} TO morag_app, morag_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${QUEUE_SCHEMA} TO morag_system;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${QUEUE_SCHEMA} TO morag_system;
    REVOKE SELECT ON ${QUEUE_SCHEMA}.queue FROM morag_app;
    GRANT SELECT (${SETTINGS_OF_QUEUE}) ON ${QUEUE_SCHEMA}.queue TO morag_app;
    GRANT INSERT, SELECT (id, start_after) ON ${QUEUE_SCHEMA}.job, ${QUEUE_SCHEMA}.job_common TO morag_app;
    DO $$ BEGIN ${['job', 'job_common'].map(protect).join('')} END $$;
  `);
  await boss.stop({ graceful: false });
  if (failures.length > 0) throw failures[0];
}
