import { readFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { Sealer } from '../../src/common/sealer.js';
import { StoreReconciliation } from '../../src/documents/store-reconciliation.service.js';
import { setUpQueue } from '../../src/jobs/queue.setup.js';
import { setUpDatabase } from '../../src/persistence/database-setup.js';
import { MIGRATIONS } from '../../src/persistence/migrations/index.js';
import { eventually, PASSWORD, signIn } from '../support/factories.js';
import { OLD_INSTALLATIONS, OLD_PEOPLE, OldInstallation, type OldName } from '../support/old-installation.js';
import { reconcile } from '../support/reconciliation.js';
import { Sandbox } from '../support/sandbox.js';
import { TestApp } from '../support/test-app.js';

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
