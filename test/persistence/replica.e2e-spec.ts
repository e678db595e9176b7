import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Metrics } from '../../src/metrics/metrics.js';
import { runtimeOptions } from '../../src/persistence/data-source.js';
import { Replica } from '../../src/persistence/replica.js';
import { ReplicaMetrics } from '../../src/persistence/replica.metrics.js';
import { Transactions, type TenantTx } from '../../src/persistence/transactions.js';
import { createKey, createTenant, eventually, ingestText, signIn, type Tenant } from '../support/factories.js';
import { Sandbox } from '../support/sandbox.js';
import type { ServerProcess } from '../support/server-process.js';
import { setLimits } from '../support/quotas.js';
import { ReplicatedDatabase } from '../support/standby.js';
import { ADMIN } from '../support/test-app.js';

const OUTCOMES = ['replica', 'written', 'behind', 'away', 'repeated'] as const;

describe('with a streaming replica', () => {
  const sandbox = new Sandbox();
  let database: ReplicatedDatabase;
  /** Reads from it, however far it is behind. */
  let patient: ServerProcess;
  /** Half a second is the most. */
  let strict: ServerProcess;
  let ada: Tenant;
  let bob: Tenant;
  let document: string;

  beforeAll(async () => {
    database = await ReplicatedDatabase.start(sandbox);
    const env = {
      NODE_ENV: 'test', DATABASE_URL: database.url, DATABASE_REPLICA_URL: database.replicaUrl, DATABASE_REPLICA_POOL: '4', DATA_DIR: await sandbox.dataDir(),
      ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password, OUTBOUND_ALLOW: '127.0.0.1:1', DOCS_ENABLED: 'false',
    };
    patient = await sandbox.start({ ...env, DATABASE_REPLICA_MAX_LAG_MS: '60000' });
    strict = await sandbox.start({ ...env, DATABASE_REPLICA_MAX_LAG_MS: '500', ROLE: 'api' });
    ada = await createTenant(patient.client);
    bob = await createTenant(patient.client, 'Bob');
    const admin = patient.client.asUser(await signIn(patient.client, ADMIN.email, ADMIN.password));
    for (const tenant of [ada, bob]) await setLimits(admin, tenant, { api_calls_per_hour: null });
    document = await ingestText(ada.client, 'A page', 'Something to read.');
    await ingestText(bob.client, 'A secret of Bob', 'Nothing for others.');
  }, 90_000);
  afterAll(async () => {
    await (database as ReplicatedDatabase | undefined)?.stop();
    await sandbox.clean();
  });

  async function counted(server: ServerProcess): Promise<Record<(typeof OUTCOMES)[number], number>> {
    const { body } = await server.client.get<string>('/metrics');
    const of = (outcome: string): number => Number(new RegExp(`^morag_replica_reads_total\\{outcome="${outcome}"\\} (\\d+)$`, 'm').exec(body)?.[1] ?? 0);
    return Object.fromEntries(OUTCOMES.map((outcome) => [outcome, of(outcome)])) as never;
  }

  /** What `read` answered, and where from. */
  async function observed<T>(server: ServerProcess, read: () => Promise<T>): Promise<{ answer: T; from: string[] }> {
    const before = await counted(server);
    const answer = await read();
    const after = await counted(server);
    return { answer, from: OUTCOMES.flatMap((outcome) => Array.from({ length: after[outcome] - before[outcome] }, () => outcome)) };
  }

  const titles = async ({ client }: Tenant): Promise<string[]> => (await client.get('/api/v1/documents')).body.documents.map(({ title }: { title: string }) => title);
  const names = async ({ client }: Tenant): Promise<string[]> => (await client.get('/api/v1/databases')).body.databases.map(({ name }: { name: string }) => name);
  const elsewhere = (tenant: Tenant): Tenant => ({ ...tenant, client: strict.client.asUser(tenant.token) });

  /** What they wrote is on the replica, and the server knows. */
  async function settled(server: ServerProcess, ...tenants: Tenant[]): Promise<void> {
    for (const tenant of tenants) await eventually(() => observed(server, () => titles(tenant)), ({ from }) => from.join() === 'replica');
  }

  it('every list and report is read there', async () => {
    const key = await createKey(ada.client, ['read']);
    const { body: webhook } = await ada.client.post('/api/v1/webhooks', { url: 'http://127.0.0.1:1/', events: ['*'] });
    await settled(patient, ada);
    const routes = [
      'documents?include_total=true', 'documents/stats', 'jobs', 'jobs/stats', 'api-keys', `api-keys/${key.id}/usage`, 'databases', 'database-servers', 'webhooks',
      `webhooks/${webhook.webhook.id}/deliveries`, 'audit', 'audit/export', 'tenant/usage', 'tenant/usage?group_by=api_key',
    ];
    const seen = [];
    for (const route of routes) {
      const { answer, from } = await observed(patient, () => ada.client.get(`/api/v1/${route}`));
      seen.push({ route, status: answer.status, from });
    }
    expect(seen).toEqual(routes.map((route) => ({ route, status: 200, from: ['replica'] })));
  });

  it('whoever writes sees it in every list at once, while others are shown what the replica has', async () => {
    await settled(patient, ada, bob);
    await database.pauseReplay();
    try {
      await database.write(`UPDATE documents SET title = 'Changed behind their backs'`);
      expect(await titles(ada)).toEqual(['A page']);
      expect((await ada.client.get(`/api/v1/documents/${document}`)).body.title).toBe('Changed behind their backs');

      await ada.client.post('/api/v1/databases', { name: 'just-made' });
      expect(await observed(patient, () => names(ada))).toMatchObject({ answer: expect.arrayContaining(['just-made']), from: ['written'] });
      expect(await titles(ada)).toEqual(['Changed behind their backs']);
      expect(await observed(patient, () => titles(bob))).toEqual({ answer: ['A secret of Bob'], from: ['replica'] });
      // A look takes nothing away from it.
      await ada.client.get(`/api/v1/documents/${document}`);
      expect(await observed(patient, () => names(ada))).toMatchObject({ from: ['written'] });
    } finally {
      await database.resumeReplay();
    }
    await settled(patient, ada);
    expect(await names(ada)).toContain('just-made');
  });

  it('what another process does and announces, a key revoked or whatever is an event, is in the lists at once, too', async () => {
    const key = await createKey(ada.client, ['read']);
    await settled(patient, ada, bob);
    await settled(strict, elsewhere(ada));
    await database.pauseReplay();
    try {
      await elsewhere(ada).client.delete(`/api/v1/api-keys/${key.id}`);
      const listed = async (): Promise<boolean> => (await ada.client.get('/api/v1/api-keys?limit=100')).body.api_keys.find(({ id }: { id: string }) => id === key.id).is_active;
      await eventually(listed, (isActive) => !isActive);

      await database.write(`UPDATE documents SET title = 'Taken in elsewhere' WHERE tenant_id = $1`, [bob.tenantId]);
      expect(await titles(bob)).not.toEqual(['Taken in elsewhere']);
      await database.happen(bob.tenantId);
      await eventually(() => titles(bob), ([title]) => title === 'Taken in elsewhere');
    } finally {
      await database.resumeReplay();
    }
  });

  it('a replica that is further behind than allowed is not read, and the log and the health page say so', async () => {
    await settled(strict, elsewhere(bob));
    await database.pauseReplay();
    try {
      await strict.says(/the replica is more than 500 ms behind/);
      // It may have said so in a test before, too.
      await eventually(() => observed(strict, () => titles(elsewhere(bob))), ({ from }) => from.join() === 'behind');
      await database.write(`UPDATE documents SET title = 'Later' WHERE tenant_id = $1`, [bob.tenantId]);
      expect(await observed(strict, () => titles(elsewhere(bob)))).toEqual({ answer: ['Later'], from: ['behind'] });
      const admin = strict.client.asUser(await signIn(strict.client, ADMIN.email, ADMIN.password));
      const { body } = await admin.get('/admin/health');
      expect(body.dependencies.find(({ name }: { name: string }) => name === 'replica')).toMatchObject({ status: 'degraded', reason: expect.stringMatching(/^it is \d+ ms behind$/) });
    } finally {
      await database.resumeReplay();
    }
    await settled(strict, elsewhere(bob));
    await strict.says(/the replica follows[\s\S]*the replica follows/);
  });

  it('no request fails when it is stopped under load, nor when it falls silent, and it is read again once it is back', async () => {
    await settled(patient, ada, bob);
    let isOver = false;
    const statuses = new Set<number>();
    const loads = [ada, bob, elsewhere(ada), elsewhere(bob)].map(async ({ client }) => {
      while (!isOver) statuses.add((await client.get('/api/v1/documents')).status);
    });
    const away = async (): Promise<number> => (await counted(patient)).away;
    const before = await away();
    await database.stopReplica();
    await eventually(away, (count) => count > before + 5);
    await database.startReplica();
    await patient.says(/the replica cannot be read[\s\S]*the replica follows/);

    database.silenceReplica();
    const silent = await away();
    await eventually(away, (count) => count > silent + 5);
    database.wakeReplica();
    isOver = true;
    await Promise.all(loads);
    expect([...statuses]).toEqual([200]);
    await settled(patient, ada);
  });

  describe('a reading transaction', () => {
    let primary: DataSource;
    let replica: Replica;
    let transactions: Transactions;

    beforeAll(async () => {
      Logger.overrideLogger(false);
      primary = await new DataSource(runtimeOptions(database.url, 2)).initialize();
      replica = new Replica(primary, { primaryUrl: database.url, url: database.replicaUrl, poolSize: 2, maxLagMs: 60_000 }, new ReplicaMetrics(new Metrics()));
      transactions = new Transactions(primary, undefined, replica);
    });
    afterAll(async () => {
      await replica.onApplicationShutdown();
      await primary.destroy();
    });

    const place = ({ manager }: TenantTx): Promise<{ is_replica: boolean; role: string; tenants: string[] }[]> =>
      manager.query('SELECT pg_is_in_recovery() AS is_replica, current_user AS role, (SELECT array_agg(id) FROM tenants) AS tenants');

    it('is one on the primary until the replica was found', async () => {
      expect(await transactions.forTenantReading(ada.tenantId, place)).toEqual([{ is_replica: false, role: 'morag_app', tenants: [ada.tenantId] }]);
      replica.onModuleInit();
      await eventually(() => transactions.forTenantReading(ada.tenantId, place), ([seen]) => seen!.is_replica);
    });

    it('shows the rows of its tenant alone, on the replica as on the primary', async () => {
      for (const { tenantId } of [ada, bob]) expect(await transactions.forTenantReading(tenantId, place)).toEqual([{ is_replica: true, role: 'morag_app', tenants: [tenantId] }]);
    });

    it('writes nothing, wherever it is', async () => {
      const write = ({ manager }: TenantTx): Promise<unknown> => manager.query('UPDATE tenants SET metadata = metadata');
      await expect(transactions.forTenantReading(ada.tenantId, write)).rejects.toThrow('cannot execute UPDATE in a read-only transaction');
      await expect(new Transactions(primary).forTenantReading(ada.tenantId, write)).rejects.toThrow('cannot execute UPDATE in a read-only transaction');
    });

    it('is on the primary after a transaction that wrote, and not after one that looked', async () => {
      await database.pauseReplay();
      try {
        await transactions.forTenant(ada.tenantId, ({ manager }) => manager.query('SELECT id FROM tenants'));
        expect(await transactions.forTenantReading(ada.tenantId, place)).toMatchObject([{ is_replica: true }]);
        await transactions.forTenant(ada.tenantId, ({ manager }) => manager.query(`UPDATE tenants SET metadata = '{}'`));
        expect(await transactions.forTenantReading(ada.tenantId, place)).toMatchObject([{ is_replica: false }]);
        expect(await transactions.forTenantReading(bob.tenantId, place)).toMatchObject([{ is_replica: true }]);
      } finally {
        await database.resumeReplay();
      }
      await eventually(() => transactions.forTenantReading(ada.tenantId, place), ([seen]) => seen!.is_replica);
    });

    it('is made again on the primary when what is to be replayed has to cancel it', async () => {
      await database.preferReplay();
      const begun = Promise.withResolvers<void>();
      const slow = transactions.forTenantReading(ada.tenantId, async (tx) => {
        const seen = await place(tx);
        begun.resolve();
        await tx.manager.query('SELECT CASE WHEN pg_is_in_recovery() THEN pg_sleep(60) END');
        return seen;
      });
      await begun.promise;
      await database.write('BEGIN; LOCK TABLE tenants IN ACCESS EXCLUSIVE MODE; COMMIT');
      expect(await slow).toMatchObject([{ is_replica: false }]);
      expect(await transactions.forTenantReading(ada.tenantId, place)).toMatchObject([{ is_replica: true }]);
    });
  });
});
