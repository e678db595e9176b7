import { PgBoss } from 'pg-boss';

export const QUEUE_SCHEMA = 'pgboss';
/** Any constant will do, as long as every process that starts uses the same. */
const GRANTS_LOCK = 7_120_321_604_514;

/**
 * Installs or upgrades the queue's own tables as the owner of the schema. Tenants may put jobs in and read back the id
 * of what they put in, nothing else: the payloads of others stay out of their reach.
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
    GRANT SELECT ON ${QUEUE_SCHEMA}.queue TO morag_app;
    GRANT INSERT, SELECT (id, start_after) ON ${QUEUE_SCHEMA}.job, ${QUEUE_SCHEMA}.job_common TO morag_app;
  `);
  await boss.stop({ graceful: false });
  if (failures.length > 0) throw failures[0];
}
