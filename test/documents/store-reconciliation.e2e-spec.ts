import { mkdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { StoreReconciliation } from '../../src/documents/store-reconciliation.service.js';
import { BlobStore } from '../../src/documents/storage/blob-store.js';
import { VectorStore } from '../../src/databases/vector-stores/vector-store.js';
import type { ApiClient } from '../support/api-client.js';
import { blobsOf } from '../support/disk.js';
import { administrator, createTenant, ingestText, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

const UNKNOWN = '019a0000-0000-7000-8000-00000000dead';

describe('the reconciliation of files and vectors', () => {
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;
  let documentId: string;
  let reconciliation: StoreReconciliation;

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
    tenant = await createTenant(server.anonymous);
    documentId = await ingestText(tenant.client, 'A page', 'One chunk.');
    reconciliation = server.app.get(StoreReconciliation, { strict: false });
  });
  afterAll(() => server.stop());

  const fileOf = (key: string): string => path.join(server.dataDir, 'blobs', key);

  async function leave(key: string, ageHours: number): Promise<void> {
    await mkdir(path.dirname(fileOf(key)), { recursive: true });
    await writeFile(fileOf(key), 'forgotten');
    const then = Date.now() / 1000 - ageHours * 3600;
    await utimes(fileOf(key), then, then);
  }

  it('finds nothing where all is well', async () => {
    expect(await reconciliation.reconcile({ repair: true })).toMatchObject({ blobsChecked: 2, orphanBlobs: 0, removedBlobs: 0, documentsChecked: 1, missingBlobs: 0, collectionsWithDrift: 0, collectionsSkipped: 0 });
    expect((await admin.get('/admin/health')).body).toMatchObject({ status: 'up', store_drift: { orphan_blobs: 0, missing_blobs: 0, collections_with_drift: 0 } });
  });

  it('finds files that no document has, and removes them once they have been forgotten for a day', async () => {
    const [old, recent, arriving] = [`${tenant.tenantId}/${UNKNOWN}`, `${UNKNOWN}/${documentId}`, `${tenant.tenantId}/019a0000-0000-7000-8000-00000000beef`];
    await leave(old, 25);
    await leave(recent, 2);
    await leave(arriving, 0.5);
    const seen = await reconciliation.reconcile({ repair: false });
    expect(seen).toMatchObject({ blobsChecked: 5, orphanBlobs: 2, orphanBytes: 18, removedBlobs: 0 });
    expect(seen.examples.orphanBlobs.toSorted()).toEqual([old, recent].toSorted());
    expect((await admin.get('/admin/health')).body).toMatchObject({ status: 'degraded', store_drift: { orphan_blobs: 2, orphan_bytes: 18 }, problems: ['stores: files or vectors differ from the rows'] });
    expect(await reconciliation.reconcile({ repair: true })).toMatchObject({ orphanBlobs: 2, removedBlobs: 1 });
    expect(await blobsOf(server)).toEqual([arriving, recent, `${tenant.tenantId}/${documentId}`, `${tenant.tenantId}/${documentId}.1.text`].toSorted());
    await rm(fileOf(recent));
    await rm(fileOf(arriving));
  });

  it('is not stopped by a directory that is removed while it looks', async () => {
    const blobs = server.app.get(BlobStore, { strict: false });
    await leave(`${UNKNOWN}/${UNKNOWN}`, 2);
    const directories: string[] = [];
    for await (const directory of blobs.directories()) {
      directories.push(directory);
      if (directory === UNKNOWN) await rm(fileOf(UNKNOWN), { recursive: true });
      for await (const names of blobs.namesIn(directory, 1)) expect(names).toHaveLength(1);
    }
    expect(directories.toSorted()).toEqual([UNKNOWN, tenant.tenantId].toSorted());
  });

  it('finds documents whose file is gone', async () => {
    const key = `${tenant.tenantId}/${documentId}`;
    await stat(fileOf(key));
    await rm(fileOf(key));
    expect(await reconciliation.reconcile({ repair: true })).toMatchObject({ missingBlobs: 1, examples: { missingBlobs: [key] } });
    await writeFile(fileOf(key), 'One chunk.');
    expect(await reconciliation.reconcile({ repair: false })).toMatchObject({ missingBlobs: 0 });
  });

  it('knows the file and the text of a version that is coming, and misses them', async () => {
    const [coming, text] = [`${tenant.tenantId}/${documentId}.${UNKNOWN}`, `${tenant.tenantId}/${documentId}.2.text`];
    await leave(coming, 2);
    await leave(text, 2);
    expect(await reconciliation.reconcile({ repair: false })).toMatchObject({ orphanBlobs: 2, missingBlobs: 0 });
    await server.database.query(`UPDATE documents SET state = 'PENDING', last_version = 2, next = jsonb_build_object('version', 2, 'blobKey', $2::text) WHERE id = $1`, [documentId, coming]);
    expect(await reconciliation.reconcile({ repair: false })).toMatchObject({ orphanBlobs: 0, missingBlobs: 0, collectionsSkipped: 1 });
    await rm(fileOf(coming));
    expect(await reconciliation.reconcile({ repair: false })).toMatchObject({ missingBlobs: 1, examples: { missingBlobs: [coming] } });
    await server.database.query(`UPDATE documents SET state = 'INGESTED', last_version = 1, next = NULL WHERE id = $1`, [documentId]);
    await rm(fileOf(text));
  });

  it('finds collections with vectors too few or too many, and says nothing of one that is changing', async () => {
    const [database] = (await tenant.client.get<{ databases: { id: string; collection_name: string }[] }>('/api/v1/databases')).body.databases;
    await server.app.get(VectorStore, { strict: false }).deleteDocument(database!.collection_name, { tenantId: tenant.tenantId, documentId });
    const drift = { collectionsWithDrift: 1, collectionsSkipped: 0, examples: { collections: [{ tenantId: tenant.tenantId, id: database!.id, recorded: 1, counted: 0 }] } };
    expect(await reconciliation.reconcile({ repair: false })).toMatchObject(drift);
    await server.database.query(`UPDATE documents SET state = 'INGESTING' WHERE id = $1`, [documentId]);
    expect(await reconciliation.reconcile({ repair: false })).toMatchObject({ collectionsWithDrift: 0, collectionsSkipped: 1 });
    await server.database.query(`UPDATE documents SET state = 'INGESTED' WHERE id = $1`, [documentId]);
    expect(await reconciliation.reconcile({ repair: false })).toMatchObject(drift);
  });
});
