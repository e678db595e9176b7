import { readFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { Sealer } from '../../src/common/sealer.js';
import { StoreReconciliation } from '../../src/documents/store-reconciliation.service.js';
import { setUpQueue } from '../../src/jobs/queue.setup.js';
import { setUpDatabase } from '../../src/persistence/database-setup.js';
import { MIGRATIONS } from '../../src/persistence/migrations/index.js';
import { eventually, PASSWORD, signIn } from '../support/factories.js';
import { idMadeAt } from '../support/months.js';
import { OLD_INSTALLATIONS, OLD_PEOPLE, OldInstallation, type OldName } from '../support/old-installation.js';
import { reconcile } from '../support/reconciliation.js';
import { Sandbox } from '../support/sandbox.js';
import { TestApp } from '../support/test-app.js';

/** Migration 26 divides these. */
const DIVIDED = ['usage_hourly', 'usage_daily', 'embedding_usage', 'audit_entries', 'audit_links', 'webhook_deliveries', 'webhook_attempts'];
const BEFORE_MONTHS = 25;
const OPTIONS = { production: true, warn: console.warn };
/** To which of them two processes come at once; the others are upgraded without one, twice at once. */
const BY_PROCESSES: OldName = 'migration-12';

describe.each(Object.keys(OLD_INSTALLATIONS) as OldName[])('an upgrade from %s', (name) => {
  const sandbox = new Sandbox();
  let old: OldInstallation;
  let server: TestApp | undefined;

  beforeAll(async () => {
    old = await OldInstallation.lay(name);
  });
  afterAll(async () => {
    await sandbox.clean();
    if (server) await server.stop();
    else await old.remove();
  });

  it('keeps every row of every table, whoever comes at once', async () => {
    expect(await old.lost()).toEqual([]);
    if (name === BY_PROCESSES) {
      const env = { ...old.env, DATABASE_URL: old.database.url, DATA_DIR: old.dataDir, ROLE: 'api' };
      const processes = [sandbox.launch(env), sandbox.launch(env)];
      for (const process of processes) await process.says(/"msg":"ready"/);
      for (const process of processes) expect(await process.end()).toBe(0);
    } else {
      await Promise.all([setUpDatabase(old.database.url, OPTIONS), setUpDatabase(old.database.url, OPTIONS)]);
      await setUpQueue(old.database.url);
    }
    // An event that waited is told of by a server, once there is one.
    const mayChange = name === BY_PROCESSES ? 'events' : null;
    expect((await old.lost()).filter(({ table }) => table !== mayChange)).toEqual([]);
    expect(await old.database.query('SELECT count(*)::int AS n FROM migrations')).toEqual([{ n: MIGRATIONS.length }]);
  });

  it('leaves every table behind the walls', async () => {
    const open = await old.database.query(
      `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT (relrowsecurity AND relforcerowsecurity) AND relname <> 'migrations'`,
    );
    expect(open).toEqual([]);
  });

  it('is served by the new version: people sign in, keys work, documents are listed, found and read, and counters are right', async () => {
    server = await TestApp.on(old.database, old.dataDir, { ...old.env, OUTBOUND_ALLOW: '127.0.0.1' });
    const client = server.anonymous.asUser(await signIn(server.anonymous, OLD_PEOPLE.ada, PASSWORD));
    const documents = old.rows['documents']!.filter(({ state }) => state !== 'DELETED');
    const listed = (await client.get('/api/v1/documents?limit=100')).body.documents as { id: string }[];
    expect(listed.map(({ id }) => id).toSorted()).toEqual(documents.map(({ id }) => id as string).toSorted());
    const found = await server.anonymous.asApiKey(OLD_INSTALLATIONS[name]).post('/api/v1/search', { query: 'whales that sing' });
    expect([found.status, found.body.results[0]]).toMatchObject([200, { text: expect.stringMatching(/^Whales sing/), citation: { document_title: 'Whales' } }]);
    for (const { id, blob_key: key } of documents) {
      const { status, body } = await client.get(`/api/v1/documents/${id as string}/content`);
      expect([status, body]).toEqual([200, readFileSync(path.join(old.dataDir, 'blobs', key as string), 'utf8')]);
    }
    const admin = server.anonymous.asUser(await signIn(server.anonymous, OLD_PEOPLE.administrator, OLD_PEOPLE.administratorPassword));
    expect(await reconcile(admin)).toMatchObject({ tenants_checked: 3, drifts: [] });
    const stores = await server.app.get(StoreReconciliation, { strict: false }).reconcile({ repair: false });
    expect(stores).toMatchObject({ missingBlobs: 0, orphanBlobs: 0, collectionsWithDrift: 0 });
  });

  it('goes on with what the older version had begun, and sealed', async () => {
    const sealed = await old.database.query<{ id: string; api_key: Buffer }>('SELECT id, api_key FROM database_servers WHERE api_key IS NOT NULL');
    for (const { id, api_key: key } of sealed) expect(server!.app.get(Sealer, { strict: false }).open(key, `database_servers/${id}/api_key`)).toBe('a-sealed-secret');
    const client = server!.anonymous.asUser(await signIn(server!.anonymous, OLD_PEOPLE.ada, PASSWORD));
    const [failed] = await old.database.query<{ id: string }>(`SELECT id FROM documents WHERE state = 'FAILED'`);
    expect((await client.delete(`/api/v1/documents/${failed!.id}`)).status).toBe(204);
    await eventually(() => old.database.query('SELECT FROM documents WHERE id = $1', [failed!.id]), (rows) => rows.length === 0);
  });
});

describe('an upgrade', () => {
  let old: OldInstallation;

  beforeEach(async () => {
    old = await OldInstallation.lay('0.1.0');
  });
  afterEach(() => old.remove());

  it('that is killed within a migration leaves nothing of that one, and goes on there', async () => {
    const blocker = new pg.Client({ connectionString: old.database.superuserUrl });
    await blocker.connect();
    // Which the eighth migration changes after it has made a table.
    await blocker.query('BEGIN; LOCK TABLE tenant_quotas IN ACCESS SHARE MODE');
    const migrating = setUpDatabase(old.database.url, OPTIONS);
    const killed = expect(migrating).rejects.toThrow();
    const kill = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'morag-migrations' AND wait_event_type = 'Lock'`;
    await eventually(() => old.database.query(kill), (rows) => rows.length === 1);
    await killed;
    await blocker.end();
    expect(await old.database.query(`SELECT count(*)::int AS n, to_regclass('events') AS half FROM migrations`)).toEqual([{ n: 7, half: null }]);
    await setUpDatabase(old.database.url, OPTIONS);
    expect(await old.database.query(`SELECT count(*)::int AS n FROM migrations`)).toEqual([{ n: MIGRATIONS.length }]);
    expect(await old.lost()).toEqual([]);
  });

  it('puts what grows into its months, row for row, and takes it out of them again', async () => {
    await old.migrate((source) => source.runMigrations(), BEFORE_MONTHS);
    const [{ id }] = (await old.database.query<{ id: string }>('SELECT id FROM tenants ORDER BY id LIMIT 1')) as [{ id: string }];
    await old.database.query(`INSERT INTO webhooks (tenant_id, id, url, events, secret) VALUES ($1, $1, 'http://127.0.0.1:9/', '{*}', '')`, [id]);
    for (const time of ['now()', `(now() - interval '70 days')`, `(now() - interval '300 days')`]) {
      await old.database.query(`INSERT INTO audit_entries (tenant_id, id, created_at, actor_type, action, target_type) SELECT $1, ${idMadeAt(time)}, ${time}, 'system', 'tenant.tried', 'tenant' FROM generate_series(1, 3)`, [id]);
      await old.database.query(`INSERT INTO embedding_usage VALUES ($1, date_trunc('hour', ${time}), 1, 1)`, [id]);
      await old.database.query(
        `WITH delivery AS (INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, lane, event_type, event_at, data) SELECT $1::uuid, ${idMadeAt(time)}, $1::uuid, '', 'quota.warning', now(), '{}' RETURNING tenant_id, id)
         INSERT INTO webhook_attempts SELECT tenant_id, id, 1, now(), 1, 200 FROM delivery`,
        [id],
      );
    }
    const rows = async (): Promise<unknown> => {
      const seen: Record<string, unknown> = {};
      for (const table of DIVIDED) seen[table] = await old.database.query(`SELECT to_jsonb(t) AS row FROM ${table} t ORDER BY to_jsonb(t)`);
      return [seen, await old.database.query('SELECT last_value, is_called FROM webhook_deliveries_sequence_seq')];
    };
    const places = (): Promise<{ place: string }[]> => old.database.query(DIVIDED.map((table) => `SELECT DISTINCT tableoid::regclass::text AS place FROM ${table}`).join(' UNION ') + ' ORDER BY 1');
    const before = await rows();
    await setUpDatabase(old.database.url, OPTIONS);
    expect(await rows()).toEqual(before);
    const divided = await places();
    expect(divided.length).toBeGreaterThan(4 * 3);
    for (const { place } of divided) expect(place).toMatch(/^partitions\.\w+_\d{4}_\d\d$/);
    // What is written from here on goes on with what is there: the chain, the order of deliveries.
    await old.database.query(`INSERT INTO audit_entries (tenant_id, actor_type, action, target_type) VALUES ($1, 'system', 'tenant.tried', 'tenant')`, [id]);
    expect(await old.database.query('SELECT count(*)::int AS links, max(sequence)::int AS last, (SELECT sequence::int FROM audit_heads WHERE tenant_id = $1) AS head FROM audit_links WHERE tenant_id = $1', [id])).toEqual([{ links: 11, last: 11, head: 11 }]);
    const upgraded = await rows();
    await old.migrate(async (source) => {
      for (let undone = BEFORE_MONTHS; undone < MIGRATIONS.length; undone++) await source.undoLastMigration();
    });
    expect(await rows()).toEqual(upgraded);
    expect(await places()).toEqual(DIVIDED.filter((table) => table !== 'usage_daily').toSorted().map((place) => ({ place })));
    await old.database.query(`INSERT INTO audit_entries (tenant_id, actor_type, action, target_type) VALUES ($1, 'system', 'tenant.tried', 'tenant')`, [id]);
    expect(await old.database.query('SELECT max(sequence)::int AS last FROM audit_links WHERE tenant_id = $1', [id])).toEqual([{ last: 12 }]);
  });

  it('can be undone, and a version that does not know the schema does not touch it', async () => {
    await setUpDatabase(old.database.url, OPTIONS);
    await old.database.query(`INSERT INTO migrations (timestamp, name) VALUES (9999999999999, 'FromTheFuture9999999999999')`);
    await expect(setUpDatabase(old.database.url, OPTIONS)).rejects.toMatchObject({
      name: 'StartupError',
      message: 'The database was last used by a newer version (this one does not know its migration FromTheFuture9999999999999). Run that version, or restore a backup from before the upgrade.',
    });
    await old.database.query(`DELETE FROM migrations WHERE name LIKE 'FromTheFuture%'`);
    // A key that was rotated since: the older schema has room for one of each name.
    await old.database.query('UPDATE api_keys SET rotated_to = id');
    await old.migrate(async (source) => {
      for (let undone = old.migrations; undone < MIGRATIONS.length; undone++) await source.undoLastMigration();
    });
    expect(await old.database.query('SELECT DISTINCT revoked_at IS NOT NULL AS revoked FROM api_keys')).toEqual([{ revoked: true }]);
    const lost = (await old.lost()).map(({ table }) => table);
    expect(new Set(lost)).toEqual(new Set(['api_keys']));
  });
});
