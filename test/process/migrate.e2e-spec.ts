import { waitForSchema } from '../../src/schema.js';
import { createTenant, ingestText } from '../support/factories.js';
import { Sandbox } from '../support/sandbox.js';
import { TestDatabase } from '../support/test-database.js';

describe('a server that does not migrate', () => {
  const sandbox = new Sandbox();
  const login = `morag_server_${process.pid}`;
  let database: TestDatabase;

  beforeAll(async () => {
    database = await TestDatabase.createEmpty();
  });
  afterAll(async () => {
    await sandbox.clean();
    await database.query(`REVOKE ALL ON DATABASE ${database.name} FROM ${login}`);
    await database.query(`DROP ROLE ${login}`);
    await database.drop();
  });

  /** As docs/operations.md says. */
  async function lesserLogin(): Promise<string> {
    await database.query(`CREATE ROLE ${login} LOGIN NOINHERIT PASSWORD 'lesser'`);
    await database.query(`GRANT morag_app, morag_system TO ${login} WITH INHERIT FALSE, SET TRUE`);
    await database.query(`GRANT CONNECT ON DATABASE ${database.name} TO ${login}`);
    const url = new URL(database.url);
    url.username = login;
    url.password = 'lesser';
    return url.href;
  }

  it('waits until another one has, and then does its whole job as a login that may neither migrate nor own anything', async () => {
    const DATA_DIR = await sandbox.dataDir();
    const url = await lesserLogin();
    const waiting = sandbox.launch({ DATA_DIR, DATABASE_URL: url, MIGRATE_ON_START: 'false' });
    await waiting.says(/older than this version \(it is empty\): waiting/);
    const migration = sandbox.launch({ DATA_DIR: await sandbox.dataDir(), DATABASE_URL: database.url, MIGRATE_ON_START: 'false' }, ['--migrate']);
    expect(await migration.ended()).toBe(0);
    expect(migration.printed).toContain('"msg":"migrated"');
    await waiting.says(/"msg":"ready"/);
    const tenant = await createTenant(waiting.client);
    await ingestText(tenant.client, 'A page', 'Written without any right to the schema.');
    expect((await tenant.client.post('/api/v1/search', { query: 'right' })).body.results).toHaveLength(1);
    expect(await waiting.end()).toBe(0);
  });

  it('refuses a schema that is older than itself with one line that says what to do, and takes one that is newer', async () => {
    const told: string[] = [];
    const start = () => waitForSchema(database.url, { production: true, warn: (message) => void told.push(message) }, 0);
    await database.query(`INSERT INTO migrations (timestamp, name) VALUES (9999999999999, 'FromTheFuture9999999999999')`);
    await start();
    const [{ name }] = (await database.query<{ name: string }>('DELETE FROM migrations WHERE id = (SELECT max(id) FROM migrations WHERE timestamp < 9999999999999) RETURNING name')) as [{ name: string }];
    await expect(start()).rejects.toThrow(/^The database is older than this version \(1 migrations are missing\), and MIGRATE_ON_START is false\. Run /);
    await database.query(`INSERT INTO migrations (timestamp, name) VALUES (1, $1)`, [name]);
    await database.query('UPDATE pgboss.version SET version = version - 1');
    await expect(start()).rejects.toThrow(/older than this version \(the queue: /);
    expect(told).toEqual([]);
  });
});
