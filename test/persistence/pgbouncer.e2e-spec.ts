import { readFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { makeBackup } from '../../src/backup/backup.js';
import { readEnv } from '../../src/config/env.js';
import { requireUsableAddresses } from '../../src/persistence/database-addresses.js';
import type { ApiClient } from '../support/api-client.js';
import { createKey, createTenant, eventually, ingestText, signIn, type Tenant } from '../support/factories.js';
import { untilAnswered } from '../support/insisting.js';
import { describeWithPgBouncer, PgBouncer } from '../support/pgbouncer.js';
import { quotasOf, setLimits } from '../support/quotas.js';
import { Sandbox } from '../support/sandbox.js';
import type { ServerProcess } from '../support/server-process.js';
import { ADMIN } from '../support/test-app.js';
import { TestDatabase } from '../support/test-database.js';
import { Endpoint, register } from '../support/webhook-receiver.js';
import { WebServer } from '../support/web-server.js';

/** Of PgBouncer, for two processes that would hold twenty each. */
const SERVER_CONNECTIONS = 5;
const OPTIONS = { production: true, warn: (message: string) => void message };

describeWithPgBouncer('behind PgBouncer in transaction mode, five connections for two processes', () => {
  const sandbox = new Sandbox();
  let database: TestDatabase;
  let bouncer: PgBouncer;
  let site: WebServer;
  let env: Record<string, string>;
  let first: ServerProcess;
  let second: ServerProcess;
  let admin: ApiClient;

  beforeAll(async () => {
    database = await TestDatabase.createEmpty();
    bouncer = await PgBouncer.before(database.url, SERVER_CONNECTIONS);
    site = await WebServer.start();
    env = {
      NODE_ENV: 'production', JWT_SECRET: 'j'.repeat(32), SEALING_KEY: 's'.repeat(32), ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password,
      DATABASE_URL: bouncer.url, DATABASE_DIRECT_URL: database.url, DATABASE_POOL: '20', DATA_DIR: await sandbox.dataDir(), OUTBOUND_ALLOW: site.host,
    };
    [first, second] = await Promise.all([sandbox.start(env), sandbox.start({ ...env, ROLE: 'api' })]);
    admin = first.client.asUser(await signIn(first.client, ADMIN.email, ADMIN.password));
  });
  afterAll(async () => {
    await sandbox.clean();
    await bouncer.stop();
    await site.stop();
    await database.drop();
  });

  it('an empty database is migrated, and documents are taken in, found, listed, charged, reported and audited', async () => {
    const tenant = await createTenant(second.client);
    const id = await ingestText(tenant.client, 'A page', 'The axolotl never grows up.');
    expect((await tenant.client.post('/api/v1/search', { query: 'axolotl' })).body.results).toHaveLength(1);
    expect((await tenant.client.get('/api/v1/documents?include_total=true')).body).toMatchObject({ total: 1, documents: [{ id, state: 'INGESTED' }] });
    expect((await tenant.client.get('/api/v1/jobs')).body.jobs).toMatchObject([{ status: 'FINISHED' }]);
    expect((await quotasOf(tenant.client))['documents']).toMatchObject({ used: 1, reserved: 0 });
    const calls = () => tenant.client.get('/api/v1/tenant/usage');
    expect((await eventually(calls, ({ body }) => body.totals?.requests > 5)).status).toBe(200);
    expect((await tenant.client.get('/api/v1/audit?limit=100')).body.entries.length).toBeGreaterThan(1);
  });

  it('a quota lets exactly as many through as it says, of calls to both processes at once', async () => {
    const tenant = await createTenant(first.client);
    await setLimits(admin, tenant, { databases: 6 });
    const beside = second.client.asUser(tenant.token);
    const answers = await Promise.all(Array.from({ length: 16 }, (_, n) => untilAnswered(() => (n % 2 ? tenant.client : beside).post('/api/v1/databases', { name: `base-${n}` }))));
    const held = (await quotasOf(tenant.client))['databases']!.used;
    expect(held).toBe(6);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(6 - 1);
    expect(answers.filter(({ body }) => body.code === 'quota_exceeded')).toHaveLength(16 - 5);
  });

  it('a key that one process revokes is refused by the other from its answer on, which remembered it', async () => {
    const tenant = await createTenant(first.client);
    const key = await createKey(tenant.client, ['read']);
    const elsewhere = second.client.asApiKey(key.secret);
    await eventually(() => elsewhere.get('/api/v1/documents'), ({ status }) => status === 200);
    for (let n = 0; n < 5; n++) expect((await elsewhere.get('/api/v1/documents')).status).toBe(200);
    expect((await tenant.client.delete(`/api/v1/api-keys/${key.id}`)).status).toBeLessThan(300);
    expect((await elsewhere.get('/api/v1/documents')).status).toBe(401);
  });

  it('a webhook tells what happened', async () => {
    const tenant = await createTenant(second.client);
    const endpoint = new Endpoint(`http://${site.host}/hook`, site, '/hook');
    await register(tenant.client, endpoint, ['document.ingested']);
    const id = await ingestText(tenant.client, 'News', 'Something happened.');
    const [told] = await endpoint.got(1);
    expect(told!.message).toMatchObject({ type: 'document.ingested', data: { id } });
  });

  it('a backup is made', async () => {
    const out = path.join(await sandbox.dataDir(), 'backup');
    await makeBackup(readEnv(env), { out, withSecrets: true, say: () => undefined, signal: new AbortController().signal });
    const { tables } = JSON.parse(await readFile(path.join(out, 'manifest.json'), 'utf8')) as { tables: { name: string; rows: number }[] };
    expect(tables.find(({ name }) => name === 'documents')?.rows).toBeGreaterThan(0);
  });

  it('nobody sees a row of anybody else, in 240 calls of six tenants, and the connections are really shared', async () => {
    const tenants: Tenant[] = await Promise.all(Array.from({ length: 6 }, (_, n) => createTenant(n % 2 ? first.client : second.client, `Person ${n}`)));
    await Promise.all(tenants.map(({ client }, n) => client.post('/api/v1/databases', { name: `own-${n}` })));
    const before = await bouncer.statistics();
    const ownOnly = async (n: number): Promise<boolean> => {
      const tenant = tenants[n % tenants.length]!;
      const client = (n % 4 < 2 ? first : second).client.asUser(tenant.token);
      const [path, idsOf] = [
        ['/api/v1/databases', (body: { databases: { name: string }[] }) => body.databases.map(({ name }) => name).filter((name) => name.startsWith('own-')).join()] as const,
        ['/auth/me', (body: { email: string }) => body.email] as const,
        ['/api/v1/tenant/info', (body: { tenant_id: string }) => body.tenant_id] as const,
      ][Math.floor(n / 6) % 3]!;
      const { status, body } = await untilAnswered(() => client.get(path));
      return status === 200 && [`own-${n % tenants.length}`, tenant.email, tenant.tenantId].includes(idsOf(body));
    };
    const right = await Promise.all(Array.from({ length: 240 }, (_, n) => ownOnly(n)));
    expect(right.filter(Boolean)).toHaveLength(240);
    const after = await bouncer.statistics();
    expect(after.serverConnections).toBeLessThanOrEqual(SERVER_CONNECTIONS);
    expect(after.transactions - before.transactions).toBeGreaterThan(200);
  });

  it('what a transaction set is gone with it: no connection keeps a role, a tenant, a limit, a statement, a lock or a channel', async () => {
    const clients = Array.from({ length: SERVER_CONNECTIONS }, () => new pg.Client({ connectionString: bouncer.url }));
    await Promise.all(clients.map((client) => client.connect()));
    // Each keeps its connection until its transaction ends, so that all of them are looked at.
    const seen = [];
    for (const client of clients) {
      await eventually(
        () => client.query('BEGIN; SELECT pg_sleep(0)').then(() => true, () => false),
        (has) => has,
      );
      const { rows } = await client.query(`
        SELECT pg_backend_pid() AS pid, current_user AS role, coalesce(current_setting('app.tenant_id', true), '') AS tenant, coalesce(current_setting('app.actor', true), '') AS actor,
               current_setting('statement_timeout') AS "statementTimeout", current_setting('transaction_read_only') AS "readOnly",
               (SELECT count(*)::int FROM pg_prepared_statements) AS statements, (SELECT count(*)::int FROM pg_listening_channels()) AS channels,
               (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks`);
      seen.push(rows[0]);
    }
    await expect(clients[0]!.query('SELECT FROM documents')).rejects.toThrow('permission denied for table documents');
    await Promise.all(clients.map((client) => client.end()));
    expect(new Set(seen.map(({ pid }) => pid)).size).toBe(SERVER_CONNECTIONS);
    const clean = { role: 'morag', tenant: '', actor: '', statementTimeout: '0', readOnly: 'off', statements: 0, channels: 0, locks: 0 };
    for (const { pid: _, ...kept } of seen) expect(kept).toEqual(clean);
  });

  it('a start without the direct address says what to do, whether PgBouncer refuses the settings of a session or ignores them', async () => {
    const refused = sandbox.launch({ ...env, DATABASE_DIRECT_URL: '' }, ['--migrate']);
    expect(await refused.ended()).toBe(1);
    expect(refused.complained).toMatch(/DATABASE_URL leads to a connection pooler that keeps no sessions, such as PgBouncer in transaction mode\. Set DATABASE_DIRECT_URL to the address of PostgreSQL itself/);
    const ignoring = await PgBouncer.before(database.url, 2, { ignore_startup_parameters: 'options,extra_float_digits' });
    try {
      await expect(requireUsableAddresses(ignoring.url, undefined, OPTIONS)).rejects.toThrow(/Set DATABASE_DIRECT_URL/);
      await expect(requireUsableAddresses(ignoring.url, ignoring.url, OPTIONS)).rejects.toThrow(/^DATABASE_DIRECT_URL leads to a connection pooler/);
    } finally {
      await ignoring.stop();
    }
    await expect(requireUsableAddresses(database.url, undefined, OPTIONS)).resolves.toBeUndefined();
    const wrong = (url: string): string => url.replace(/[^/]*$/, 'nowhere');
    await expect(requireUsableAddresses(wrong(bouncer.url), undefined, OPTIONS)).rejects.toThrow(/^The database nowhere at \S+ cannot be reached \(.+\)\. Check DATABASE_URL\.$/);
    await expect(requireUsableAddresses(bouncer.url, wrong(database.url), OPTIONS)).rejects.toThrow(/database "nowhere" does not exist\)\. Check DATABASE_DIRECT_URL\.$/);
  });

  it('a direct address of another database is found out', async () => {
    const other = await TestDatabase.createEmpty();
    try {
      await expect(requireUsableAddresses(bouncer.url, other.url, OPTIONS)).rejects.toThrow(/lead to two different databases/);
    } finally {
      await other.drop();
    }
  });

  it('waits for PgBouncer when it is restarted, with 503 meanwhile', async () => {
    const tenant = await createTenant(first.client);
    await bouncer.kill();
    expect(await tenant.client.get('/api/v1/documents')).toMatchObject({ status: 503, body: { code: 'database_unavailable' } });
    await bouncer.restart();
    await eventually(() => tenant.client.get('/api/v1/documents'), ({ status }) => status === 200);
  });
});
