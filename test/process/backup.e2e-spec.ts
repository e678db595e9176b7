import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdir, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { restoreBackup } from '../../src/backup/restore.js';
import { readEnv } from '../../src/config/env.js';
import { PostgresInstallation } from '../../src/persistence/postgres-installation.js';
import type { ApiClient } from '../support/api-client.js';
import { filesIn } from '../support/disk.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { createKey, createTenant, eventually, ingestText, PASSWORD, signIn, waitForTask, type Tenant } from '../support/factories.js';
import { usedBy } from '../support/quotas.js';
import { reconcile } from '../support/reconciliation.js';
import { Sandbox } from '../support/sandbox.js';
import { ServerProcess } from '../support/server-process.js';

const ADMIN = { ADMIN_EMAIL: 'admin@example.com', ADMIN_PASSWORD: 'the-test-administrator' };

/** One of the commands as a process of its own. */
const run = (name: 'backup' | 'restore' | 'reconcile', env: Record<string, string>, ...args: string[]): ServerProcess => ServerProcess.launch(env, args, path.resolve(`scripts/${name}.mjs`));

const titlesIn = async (client: ApiClient, query: string): Promise<string[]> =>
  ((await client.post('/api/v1/search', { query, mode: 'hybrid', databases: ['default'], top_k: 20 })).body.results as { citation: { document_title: string } }[]).map(({ citation }) => citation.document_title).toSorted();

describe('npm run backup and npm run restore', () => {
  const sandbox = new Sandbox();
  let embeddings: EmbeddingServer;
  let env: Record<string, string>;
  let server: ServerProcess;
  let tenant: Tenant;
  let key: { secret: string };
  /** Where the backup is. */
  let backup: string;
  let ids: Record<'kept' | 'replaced' | 'deleted', string>;
  let waiting: { task_id: string };
  /** Of the restored installation. */
  let blobs: string;
  /** What was found before the backup began. */
  let found: unknown;

  beforeAll(async () => {
    embeddings = await EmbeddingServer.start();
    env = { DATA_DIR: await sandbox.dataDir(), OUTBOUND_ALLOW: '127.0.0.1', ...ADMIN };
    backup = path.join(await sandbox.dataDir(), 'backup');
    server = await sandbox.start(env);
    tenant = await createTenant(server.client);
    key = await createKey(tenant.client, ['read', 'search']);
    const texts = { kept: 'Whales are kept.', replaced: 'Whales before.', deleted: 'Whales that go.' };
    ids = Object.fromEntries(await Promise.all(Object.entries(texts).map(async ([title, text]) => [title, await ingestText(tenant.client, title, text)]))) as typeof ids;
    found = await titlesIn(tenant.client, 'whales');
    await tenant.client.post('/api/v1/databases', { name: 'elsewhere', ...embeddings.choice, embedding_api_key: 'a-sealed-secret' });
    embeddings.hold();
    waiting = (await tenant.client.post('/api/v1/ingest/text', { title: 'waiting', content: 'An otter waits.', database: 'elsewhere' })).body;
    await embeddings.received(1);
  }, 60_000);

  afterAll(async () => {
    await sandbox.clean();
    await embeddings.stop();
  });

  /** As long as it is there, somebody seems to tidy up the table, and a backup that has its rows waits before it reads the vectors. */
  async function holdVectors(): Promise<() => Promise<void>> {
    const lease = path.join(env['DATA_DIR']!, `vectors/user_${tenant.userId}_default.lance/.maintenance`);
    await eventually(async () => existsSync(lease), (isHeld) => !isHeld);
    writeFileSync(lease, '');
    return () => rm(lease, { force: true });
  }

  /** How many removals of what documents left wait for a backup. */
  async function putOff(): Promise<number> {
    const { port, password } = await PostgresInstallation.prepare(env['DATA_DIR']!);
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', password, database: 'morag' });
    await client.connect();
    try {
      const { rows } = await client.query<{ n: number }>(`SELECT count(*)::int AS n FROM pgboss.job WHERE name = 'purge-document' AND state = 'created' AND start_after BETWEEN now() + interval '1 minute' AND now() + interval '1 hour'`);
      return rows[0]!.n;
    } finally {
      await client.end();
    }
  }

  const restore = (from: string, dataDir: string, more: Record<string, string> = {}) =>
    restoreBackup(readEnv({ DATA_DIR: dataDir, ...more }), { from, verifyOnly: false, withoutKeys: false, say: () => undefined });

  it('leaves nothing when it is stopped, and nothing that passes for a backup when it is killed', async () => {
    const release = await holdVectors();
    const stopped = run('backup', env, '--out', backup);
    await stopped.says(/tables, \d+ rows/);
    stopped.child.kill('SIGTERM');
    expect([await stopped.ended(), stopped.printed]).toEqual([1, expect.stringMatching(/\nbackup: stopped; there is no backup\n$/)]);
    expect(await readdir(path.dirname(backup))).toEqual([]);
    const killed = run('backup', env, '--out', backup);
    await killed.says(/tables, \d+ rows/);
    killed.child.kill('SIGKILL');
    expect(await killed.ended()).toBeNull();
    await release();
    expect(existsSync(backup)).toBe(false);
    await expect(restore(`${backup}.unfinished`, `${backup}.never`)).rejects.toThrow(/is not a backup, or not a whole one/);
    expect(existsSync(`${backup}.never`)).toBe(false);
  }, 60_000);

  it('copies one moment while others write: what was replaced and deleted since is in it, and is removed only afterwards', async () => {
    const release = await holdVectors();
    const copying = run('backup', env, '--out', backup);
    await copying.says(/tables, \d+ rows/);
    const second = run('backup', env, '--out', `${backup}-2`);
    await ingestText(tenant.client, 'replaced', 'Sharks after.', { replace_existing: true, document_id: ids.replaced });
    expect((await tenant.client.delete(`/api/v1/documents/${ids.deleted}`)).status).toBe(204);
    await ingestText(tenant.client, 'late', 'Whales that came late.');
    await eventually(putOff, (n) => n === 2);
    expect([await second.ended(), second.printed]).toEqual([1, 'backup: Another backup of this database is being made. Wait until it has ended.\n']);
    await release();
    expect([await copying.ended(), copying.printed]).toEqual([0, expect.stringContaining('The backup is whole.')]);
    expect(await readdir(path.dirname(backup))).toEqual(['backup']);
    for (const file of await filesIn(backup)) expect((await stat(path.join(backup, file))).mode & 0o777).toBe(0o600);
    expect((await stat(backup)).mode & 0o777).toBe(0o700);
    // And the server went on with what is newer.
    expect(await titlesIn(tenant.client, 'whales')).toEqual(['kept', 'late', 'replaced']);
  }, 60_000);

  it('refuses a backup that is not whole, not of this version or not for this key, and a place that is not empty, and changes nothing', async () => {
    const target = path.join(await sandbox.dataDir(), 'target');
    const copy = path.join(path.dirname(target), 'copy');
    const manifest = JSON.parse(readFileSync(path.join(backup, 'manifest.json'), 'utf8')) as { migrations: string[]; tables: object[] };
    const [aFile] = await filesIn(path.join(backup, 'files'));
    const change = (more: object) => writeFile(path.join(copy, 'manifest.json'), JSON.stringify({ ...manifest, ...more }));
    const cases: [() => Promise<void>, RegExp][] = [
      [() => truncate(path.join(copy, 'tables/documents.copy.zst'), 10), /^The backup is damaged: tables\/documents\.copy\.zst has 10 bytes instead of \d+\. Nothing was restored\.$/],
      [() => writeFile(path.join(copy, 'files', aFile!), 'x'.repeat(readFileSync(path.join(copy, 'files', aFile!)).length)), /^The backup is damaged: files\/.* is not what was written \(its checksum differs\)/],
      [() => rm(path.join(copy, 'queue.jsonl.zst')), /^The backup is damaged: queue\.jsonl\.zst cannot be read/],
      [() => change({ format: 2 }), /was made by a newer version \(format 2, this one reads up to 1\)/],
      [() => change({ migrations: [...manifest.migrations, 'Later1764000009999'] }), /made by a newer version \(this one does not know its migration Later1764000009999\)/],
      [() => change({ generated_secrets: null }), /^SEALING_KEY is not the one of the backup/],
      [() => change({ tables: [{ ...manifest.tables[0], file: '../../../etc/passwd' }] }), /manifest\.json is damaged \(tables\.0\.file/],
    ];
    for (const [spoil, message] of cases) {
      await rm(copy, { recursive: true, force: true });
      await cp(backup, copy, { recursive: true });
      await spoil();
      await expect(restore(copy, target)).rejects.toThrow(message);
    }
    await restoreBackup(readEnv({ DATA_DIR: target }), { from: backup, verifyOnly: true, withoutKeys: false, say: () => undefined });
    expect(existsSync(target)).toBe(false);
    await expect(restore(backup, env['DATA_DIR']!)).rejects.toThrow(/^DATA_DIR .* is not empty: there is an installation in it\. Restore into an empty directory\.$/);
    await mkdir(target);
    await writeFile(path.join(target, 'mine'), '');
    await expect(restore(backup, target)).rejects.toThrow(/is not empty\. Restore into an empty directory\.$/);
    expect(await readdir(target)).toEqual(['mine']);
    expect((await server.client.get('/health/ready')).status).toBe(200);
  });

  it('restores that moment into an empty directory: accounts, keys, documents, files, vectors, sealed secrets and work that waited', async () => {
    expect(await server.end()).toBe(0);
    const restored = { ...env, DATA_DIR: await sandbox.dataDir() };
    const restoring = run('restore', restored, '--from', backup);
    expect([await restoring.ended(), restoring.printed]).toEqual([0, expect.stringContaining('The restore is done')]);
    const asked = embeddings.requests;
    embeddings.release();
    server = await sandbox.start(restored);
    blobs = path.join(restored.DATA_DIR, 'blobs');

    expect((await server.client.asUser(tenant.token).get('/auth/me')).status).toBe(401);
    const client = server.client.asUser(await signIn(server.client, tenant.email, PASSWORD));
    expect(await waitForTask(client, waiting.task_id)).toMatchObject({ status: 'completed' });
    expect(embeddings.credentials.slice(asked)).toEqual(['Bearer a-sealed-secret']);

    expect(await titlesIn(server.client.asApiKey(key.secret), 'whales')).toEqual(found);
    const texts = { kept: 'Whales are kept.', replaced: 'Whales before.', deleted: 'Whales that go.' };
    for (const [title, text] of Object.entries(texts)) expect((await client.get(`/api/v1/documents/${ids[title as keyof typeof ids]}/content`)).body).toBe(text);
    expect(await usedBy(client)).toMatchObject({ documents: 4, databases: 2, api_keys: 1 });
    const admin = server.client.asUser(await signIn(server.client, ADMIN.ADMIN_EMAIL, ADMIN.ADMIN_PASSWORD));
    expect((await reconcile(admin)).drifts).toEqual([]);
    const stores = run('reconcile', restored);
    expect([await stores.ended(), stores.printed]).toEqual([0, expect.stringMatching(/4 documents looked at: 0 without their file[^]* 0 with more or fewer vectors/)]);
  }, 120_000);

  it('goes on as an installation of its own, in which what is replaced and deleted goes', async () => {
    const client = server.client.asUser(await signIn(server.client, tenant.email, PASSWORD));
    const before = await filesIn(blobs);
    await ingestText(client, 'replaced', 'Sharks at last.', { replace_existing: true, document_id: ids.replaced });
    await client.delete(`/api/v1/documents/${ids.deleted}`);
    // An original and a text of each went, and two came.
    const after = await eventually(() => filesIn(blobs), (files) => files.length === before.length - 2);
    expect(after.filter((file) => file.includes(ids.deleted))).toEqual([]);
    expect(await titlesIn(client, 'whales')).toEqual(['kept', 'replaced']);
  });

  it('say what they do, and what they do not understand', async () => {
    const runs = [run('backup', {}, '--help'), run('backup', {}), run('backup', { DATA_DIR: '/nowhere' }, '--out', '/nowhere/else'), run('restore', {}, '--form', 'x')];
    expect(await Promise.all(runs.map((each) => each.ended()))).toEqual([0, 1, 1, 1]);
    expect(runs.map(({ printed }) => printed)).toEqual([
      expect.stringContaining('--without-secrets'),
      'backup: --out DIR says where to. See --help.\n',
      'backup: There is no installation in DATA_DIR /nowhere. Set the variables that the server has.\n',
      expect.stringContaining("Unknown option '--form'"),
    ]);
  });

  it('keeps a server away from a restore that has not come to its end', async () => {
    const dataDir = await sandbox.dataDir();
    await writeFile(path.join(dataDir, 'restore-unfinished'), '');
    const refused = sandbox.launch({ DATA_DIR: dataDir });
    expect(await refused.ended()).toBe(1);
    expect(refused.complained).toBe(`morag: A restore into DATA_DIR ${dataDir} has not come to its end. Empty the directory and restore again.\n`);
  });
});
