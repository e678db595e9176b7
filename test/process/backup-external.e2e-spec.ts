import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { makeBackup } from '../../src/backup/backup.js';
import { restoreBackup } from '../../src/backup/restore.js';
import { readEnv } from '../../src/config/env.js';
import { Queue } from '../../src/jobs/queue.js';
import { setUpQueue } from '../../src/jobs/queue.setup.js';
import { setUpDatabase } from '../../src/persistence/database-setup.js';
import { MIGRATIONS } from '../../src/persistence/migrations/index.js';
import { openMonths } from '../../src/persistence/months.js';
import { filesIn } from '../support/disk.js';
import { idMadeAt } from '../support/months.js';
import { OldInstallation } from '../support/old-installation.js';
import { TestDatabase } from '../support/test-database.js';

const LEFT_OUT = ['refresh_tokens', 'sessions'];
const DUE = '2031-05-04T03:02:01.000Z';

/** Every row of every table, as a digest of their texts; and where the sequences are. */
async function digests(database: TestDatabase): Promise<Record<string, unknown>> {
  const tables = await database.query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1`);
  const digest = async (table: string) => (await database.query(`SELECT count(*)::int AS rows, md5(string_agg(t::text, E'\\n' ORDER BY t::text)) AS digest FROM ${table} t`))[0];
  const sequences = await database.query(`SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' AND sequencename <> 'migrations_id_seq' ORDER BY 1`);
  const rows = tables.filter(({ name }) => name !== 'migrations' && !LEFT_OUT.includes(name));
  return Object.fromEntries([...(await Promise.all(rows.map(async ({ name }) => [name, await digest(name)] as const))), ['sequences', sequences]]);
}

describe('a backup of an installation with a PostgreSQL of its own', () => {
  let old: OldInstallation;
  let target: TestDatabase;
  let directory: string;

  beforeAll(async () => {
    old = await OldInstallation.lay('migration-22');
    target = await TestDatabase.createEmpty();
    directory = await mkdtemp(path.join(tmpdir(), 'morag-backup-'));
    await setUpDatabase(old.database.url, { production: true, warn: console.warn, migrations: old.migrations });
    await setUpQueue(old.database.url);
    await old.database.query(`SELECT setval('job_turn', 41), setval('events_sequence_seq', 17)`);
  });
  afterAll(async () => {
    await old.remove();
    await target.drop();
    await rm(directory, { recursive: true, force: true });
  });

  const backup = () => path.join(directory, 'backup');
  const copy = (out: string, signal = new AbortController().signal) =>
    makeBackup(readEnv({ ...old.env, DATABASE_URL: old.database.url, DATA_DIR: old.dataDir }), { out, withSecrets: true, say: () => undefined, signal });
  const restore = (env: Record<string, string>, database = target, dataDir = 'restored', from = backup()) =>
    restoreBackup(readEnv({ DATABASE_URL: database.url, DATA_DIR: path.join(directory, dataDir), ...env }), { from, verifyOnly: false, withoutKeys: false, say: () => undefined });

  it('leaves nothing behind when it is stopped, or finds its place taken', async () => {
    await expect(copy(backup(), AbortSignal.abort(new Error('stopped')))).rejects.toThrow();
    expect(await filesIn(directory)).toEqual([]);
    await expect(copy(old.dataDir)).rejects.toThrow(/ is not empty\. Choose a directory that is not there yet\.$/);
  });

  it('has every row of every table but sessions, entries of the queue when they are due, and no secret from the environment', async () => {
    const queue = new Queue(old.database.url, { worker: false });
    const entry = { id: '019a0000-0000-7000-8000-00000000cafe', data: { tenantId: 'x', documentId: 'y' }, priority: 7, group: 'x', dueAt: DUE };
    await queue.sendAgain(async (sql, values) => ({ rows: await old.database.query(sql, values) }), 'purge-document', [entry]);
    await queue.stop();
    await copy(backup());
    expect(await filesIn(backup())).not.toContain('secrets.json');
    expect(await readFile(path.join(backup(), 'manifest.json'), 'utf8')).not.toContain(old.env.SEALING_KEY);

    await expect(restore({ ...old.env, SEALING_KEY: 'another-sealing-key-0000000000000000' })).rejects.toThrow(/^SEALING_KEY is not the one of the backup/);
    // What a restore leaves that was killed before its rows.
    await setUpDatabase(target.url, { production: true, warn: console.warn, migrations: old.migrations });
    await restore(old.env);
    expect(await digests(target)).toEqual(await digests(old.database));
    expect(await target.query(`SELECT id, data, priority, group_id, start_after FROM pgboss.job`)).toEqual([{ id: entry.id, data: entry.data, priority: 7, group_id: 'x', start_after: new Date(DUE) }]);
    expect(await target.query(`SELECT (SELECT count(*)::int FROM sessions) AS sessions, (SELECT count(*)::int FROM pg_trigger WHERE tgenabled <> 'O') AS idle_triggers`)).toEqual([{ sessions: 0, idle_triggers: 0 }]);
    expect(await target.query(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relforcerowsecurity AND relname <> 'migrations'`)).toEqual([]);
    expect(await filesIn(path.join(directory, 'restored', 'blobs'))).toEqual((await filesIn(path.join(old.dataDir, 'blobs'))).filter((file) => !file.startsWith('incoming')));
  });

  it('of an older schema is upgraded by the next start', async () => {
    await setUpDatabase(target.url, { production: true, warn: console.warn });
    expect(await target.query('SELECT count(*)::int AS n FROM migrations')).toEqual([{ n: MIGRATIONS.length }]);
  });

  it('has the rows of every month, and puts each into its own again, and what lies in none into none', async () => {
    await setUpDatabase(old.database.url, { production: true, warn: console.warn });
    const [{ id }] = (await old.database.query<{ id: string }>('SELECT id FROM tenants ORDER BY id LIMIT 1')) as [{ id: string }];
    await old.database.query(`INSERT INTO webhooks (tenant_id, id, url, events, secret) VALUES ($1, $1, 'http://127.0.0.1:9/', '{*}', '')`, [id]);
    const write = async (month: number): Promise<void> => {
      const time = `(now() - interval '${month} months')`;
      await old.database.query(`INSERT INTO audit_entries (tenant_id, id, created_at, actor_type, action, target_type) SELECT $1, ${idMadeAt(time)}, ${time}, 'system', 'tenant.tried', 'tenant' FROM generate_series(1, 3)`, [id]);
      await old.database.query(`INSERT INTO usage_daily VALUES ($1, ${time}::date, $1, 'GET /', 2, 1, 1, 1, 1, '{1}')`, [id]);
      await old.database.query(
        `WITH delivery AS (INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, lane, event_type, event_at, data) SELECT $1::uuid, ${idMadeAt(time)}, $1::uuid, '', 'quota.warning', now(), '{}' RETURNING tenant_id, id)
         INSERT INTO webhook_attempts SELECT tenant_id, id, 1, now(), 1, 200 FROM delivery`,
        [id],
      );
    };
    for (const month of [0, 2, 5, 13]) await write(month);
    await openMonths((sql, values) => old.database.query(sql, values));
    await write(8);
    await copy(path.join(directory, 'months'));
    const fresh = await TestDatabase.createEmpty();
    try {
      await restore(old.env, fresh, 'months-restored', path.join(directory, 'months'));
      expect(await digests(fresh)).toEqual(await digests(old.database));
      const DIVIDED = ['audit_entries', 'audit_links', 'usage_daily', 'webhook_attempts', 'webhook_deliveries'];
      const places = (database: TestDatabase) => database.query(DIVIDED.map((table) => `SELECT tableoid::regclass::text AS place, count(*)::int AS rows FROM ${table} GROUP BY 1`).join(' UNION ALL ') + ' ORDER BY 1');
      expect(await places(fresh)).toEqual(await places(old.database));
      expect((await places(fresh)).length).toBeGreaterThanOrEqual(5 * DIVIDED.length);
      expect(await fresh.query(`SELECT tgname FROM pg_trigger WHERE tgenabled <> 'O'`)).toEqual([]);
      expect(await fresh.query(`SELECT relname FROM pg_class WHERE relnamespace = 'partitions'::regnamespace AND relkind = 'r' AND NOT relforcerowsecurity`)).toEqual([]);
    } finally {
      await fresh.drop();
    }
  });

  it('is refused by a database in which something is, or which somebody uses, and changes nothing there', async () => {
    await expect(restore(old.env, target, 'second')).rejects.toThrow(/^The database is not empty \(.*\)\. Restore into an empty one\.$/);
    const foreign = await TestDatabase.createEmpty();
    const server = new pg.Client({ connectionString: foreign.url, application_name: 'morag' });
    try {
      await server.connect();
      await expect(restore(old.env, foreign, 'second')).rejects.toThrow('A server is running on the database. Stop it, and restore into an empty one.');
      await server.end();
      await foreign.query('CREATE TABLE of_somebody_else (id int)');
      await expect(restore(old.env, foreign, 'second')).rejects.toThrow('The database is not empty (it has tables that are not the server’s). Restore into an empty one.');
    } finally {
      await foreign.drop();
    }
    expect(await filesIn(path.join(directory, 'second'))).toEqual([]);
  });
});
