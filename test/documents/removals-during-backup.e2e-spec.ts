import { existsSync } from 'node:fs';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { VectorStore } from '../../src/databases/vector-stores/vector-store.js';
import { StoreReconciliation } from '../../src/documents/store-reconciliation.service.js';
import { DatabaseSnapshot } from '../../src/persistence/database-snapshot.js';
import type { ApiClient } from '../support/api-client.js';
import { blobsOf } from '../support/disk.js';
import { expectWhole } from '../support/documents.js';
import { administrator, createTenant, eventually, ingestText, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

describe('while a backup is being made', () => {
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;
  let backup: DatabaseSnapshot;

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
  });
  afterEach(() => backup.close());
  afterAll(() => server.stop());

  const points = (collection = 'default') => server.app.get(VectorStore, { strict: false }).count(`user_${tenant.userId}_${collection}`, tenant.tenantId);
  const blobs = async () => (await blobsOf(server)).filter((file) => file.startsWith(tenant.tenantId));
  const begin = async (): Promise<void> => {
    backup = await DatabaseSnapshot.open(server.database.url);
  };
  /** Waits until the queue has tried what there was to do of this kind, and put it off. */
  const putOff = (queue: string, entries = 1) =>
    eventually(
      () => server.database.query(`SELECT FROM pgboss.job WHERE name = $1 AND group_id = $2 AND (state = 'retry' OR state = 'created' AND start_after > now() + interval '1 minute')`, [queue, tenant.tenantId]),
      (rows) => rows.length === entries,
    );
  const end = async (): Promise<void> => {
    await backup.close();
    await server.database.query(`UPDATE pgboss.job SET start_after = now() WHERE state IN ('created', 'retry') AND group_id IS NOT NULL`);
  };

  it('points and files of versions and documents that ended stay, and go afterwards', async () => {
    const [replaced, deleted] = await Promise.all([ingestText(tenant.client, 'a', 'Old words.'), ingestText(tenant.client, 'b', 'Other words.')]);
    const before = await blobs();
    await begin();
    await ingestText(tenant.client, 'a', 'New words.', { replace_existing: true, document_id: replaced });
    await tenant.client.delete(`/api/v1/documents/${deleted}`);
    await putOff('purge-document', 2);
    expect(await points()).toBe(3);
    expect(await blobs()).toEqual(expect.arrayContaining(before));
    await end();
    await expectWhole(server, admin, tenant);
    expect(await points()).toBe(1);
  });

  it('a collection that lost its database stays, and goes afterwards', async () => {
    const { body: database } = await tenant.client.post('/api/v1/databases', { name: 'brief' });
    await ingestText(tenant.client, 'a', 'Some words.', { database: 'brief' });
    const table = path.join(server.dataDir, `vectors/user_${tenant.userId}_brief.lance`);
    await begin();
    expect((await tenant.client.delete(`/api/v1/databases/${database.id}?cascade=true`)).status).toBeLessThan(300);
    await putOff('purge-document');
    expect([existsSync(table), await points('brief')]).toEqual([true, 1]);
    await end();
    await eventually(async () => existsSync(table), (isThere) => !isThere, 25_000);
  });

  it('a tenant that is purged stays whole, and goes afterwards', async () => {
    await ingestText(tenant.client, 'a', 'Some words.');
    await begin();
    expect((await admin.delete(`/admin/tenants/${tenant.tenantId}?confirm=${tenant.tenantId}`)).status).toBeLessThan(300);
    await putOff('purge-tenant');
    expect([await points(), (await blobs()).length]).toEqual([1, 2]);
    expect(await server.database.query('SELECT FROM documents WHERE tenant_id = $1', [tenant.tenantId])).toHaveLength(1);
    await end();
    await eventually(() => server.database.query('SELECT FROM tenants WHERE id = $1', [tenant.tenantId]), (rows) => rows.length === 0);
    expect([await points(), await blobs()]).toEqual([0, []]);
  });

  it('a file that nobody has is told of and not removed', async () => {
    const orphan = path.join(server.dataDir, 'blobs', tenant.tenantId, '019a0000-0000-7000-8000-00000000dead');
    await mkdir(path.dirname(orphan), { recursive: true });
    await writeFile(orphan, 'x');
    await utimes(orphan, new Date('2026-01-01'), new Date('2026-01-01'));
    const repair = () => server.app.get(StoreReconciliation, { strict: false }).reconcile({ repair: true });
    await begin();
    expect(await repair()).toMatchObject({ orphanBlobs: 1, removedBlobs: 0 });
    await end();
    expect(await repair()).toMatchObject({ orphanBlobs: 1, removedBlobs: 1 });
  });
});
