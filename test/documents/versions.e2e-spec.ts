import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { VectorStore } from '../../src/databases/vector-stores/vector-store.js';
import { IngestHandler } from '../../src/documents/ingestion/ingest.handler.js';
import { PurgeHandler } from '../../src/documents/purge.handler.js';
import { Transactions } from '../../src/persistence/transactions.js';
import type { ApiClient } from '../support/api-client.js';
import { blobsOf } from '../support/disk.js';
import { expectWhole } from '../support/documents.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { administrator, createKey, createTenant, eventually, ingestText, waitForTask, type Tenant } from '../support/factories.js';
import { quotasOf, setLimits, usedBy } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

const UNKNOWN = '019a0000-0000-7000-8000-00000000dead';

/** So many chunks of a hundred characters. */
const textOf = (word: string, chunks: number): string => Array.from({ length: chunks }, (_, at) => `${word} number ${at} `.padEnd(99, 'x')).join('\n\n');

describe('a document', () => {
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;

  /** No job is begun until it is released. */
  function holdIngestion(): () => void {
    const handler = server.app.get(IngestHandler, { strict: false });
    const run = handler.run.bind(handler);
    const { promise: released, resolve } = Promise.withResolvers<void>();
    handler.run = async (job) => {
      await released;
      return run(job);
    };
    return () => {
      handler.run = run;
      resolve();
    };
  }

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    await setLimits(admin, tenant, { api_calls_per_hour: null });
  });
  afterAll(() => server.stop());

  const read = async (id: string) => (await tenant.client.get(`/api/v1/documents/${id}`)).body;
  const search = async (query: string) => (await tenant.client.post('/api/v1/search', { query, mode: 'keyword', top_k: 100 })).body;
  const operate = (id: string, operation: string, body?: object) => tenant.client.post(`/api/v1/documents/${id}/${operation}`, body);
  const send = (title: string, content: string, more: object = {}) => tenant.client.post('/api/v1/ingest/text', { title, content, chunk_size: 100, chunk_overlap: 0, ...more });
  const replace = (title: string, content: string, more: object = {}) => send(title, content, { replace_existing: true, ...more });
  const whole = () => expectWhole(server, admin, tenant);

  async function done(accepted: Promise<{ status: number; body: { task_id: string; document_id: string } }>, status = 'completed'): Promise<string> {
    const { status: answered, body } = await accepted;
    expect([answered, body]).toMatchObject([202, { status: 'pending', task_id: expect.any(String) }]);
    expect(await waitForTask(tenant.client, body.task_id)).toMatchObject({ status });
    return body.document_id;
  }

  describe('that is processed anew', () => {
    it('is the next version of itself, cut as it is told, with the same title, metadata and file', async () => {
      const id = await ingestText(tenant.client, 'Birds', textOf('gull', 4), { chunk_size: 100, chunk_overlap: 0, metadata: { kept: true } });
      expect(await read(id)).toMatchObject({ version: 1, chunks: 4 });
      expect(await done(operate(id, 'reprocess', { chunk_size: 500 }))).toBe(id);
      expect(await read(id)).toMatchObject({ version: 2, chunks: 1, state: 'INGESTED', title: 'Birds', metadata: { kept: true }, processing_error: null });
      expect((await search('gull')).results).toMatchObject([{ citation: { document_id: id, version: 2 } }]);
      expect((await tenant.client.get(`/api/v1/jobs?document_id=${id}`)).body.jobs).toHaveLength(2);
      // What is not named stays, also for the next one, and a body is not needed.
      expect(await done(operate(id, 'reprocess'))).toBe(id);
      expect(await read(id)).toMatchObject({ version: 3, chunks: 1 });
      expect(await usedBy(tenant.client)).toMatchObject({ documents: 1, storage_mb: Buffer.byteLength(textOf('gull', 4)), vector_points: 1 });
      await whole();
      const [text] = (await blobsOf(server)).filter((name) => name.endsWith(`${id}.3.text`));
      expect(await readFile(path.join(server.dataDir, 'blobs', text!), 'utf8')).toBe(textOf('gull', 4));
    });

    it('is not when it is told nonsense', async () => {
      const id = await ingestText(tenant.client, 'Birds', 'Of gulls.', { chunk_size: 100, chunk_overlap: 0 });
      const nonsense = [[{ chunk_size: 200, chunk_overlap: 200 }, 422], [{ chunk_overlap: 150 }, 422], [{ chunk_size: 99 }, 400], [{ chunk_size: '200' }, 400], [{ chunk_size: null }, 400], [{ title: 'x' }, 400], [[], 400]] as const;
      for (const [wrong, status] of nonsense) expect([wrong, (await operate(id, 'reprocess', wrong)).status]).toEqual([wrong, status]);
      expect(await read(id)).toMatchObject({ state: 'INGESTED', version: 1 });
    });

    it('takes its quota anew when it had failed, and stays failed when there is none', async () => {
      const { body } = await tenant.client.upload(' \n ', 'blank.txt');
      await waitForTask(tenant.client, body.task_id);
      await setLimits(admin, tenant, { documents: 0 });
      expect(await operate(body.document_id, 'reprocess')).toMatchObject({ status: 429, body: { code: 'quota_exceeded', resource: 'documents' } });
      expect(await read(body.document_id)).toMatchObject({ state: 'FAILED', version: 1, processing_error: { code: 'no_text' } });
      await setLimits(admin, tenant, { documents: 1 });
      await done(operate(body.document_id, 'reprocess'), 'failed');
      expect(await read(body.document_id)).toMatchObject({ state: 'FAILED', version: 2 });
      expect(await usedBy(tenant.client)).toMatchObject({ documents: 0, storage_mb: 0, vector_points: 0 });
      await whole();
    });

    it('is not removed by the end of the week in which it failed before', async () => {
      const { body } = await tenant.client.upload(' \n ', 'blank.txt');
      await waitForTask(tenant.client, body.task_id);
      await done(operate(body.document_id, 'reprocess'), 'failed');
      const purge = server.app.get(PurgeHandler, { strict: false });
      const expiry: Record<string, string> = { tenantId: tenant.tenantId, documentId: body.document_id, collection: `user_${tenant.userId}_default`, expires: 'yes' };
      // As tasks were before there were versions, and as they are.
      await purge.run(expiry);
      await purge.run({ ...expiry, version: '1' });
      expect(await read(body.document_id)).toMatchObject({ state: 'FAILED', version: 2 });
      await purge.run({ ...expiry, version: '2' });
      expect((await tenant.client.get(`/api/v1/documents/${body.document_id}`)).status).toBe(404);
      await whole();
    });
  });

  describe('that is replaced', () => {
    it('is the one of the same name, otherwise a new one', async () => {
      const id = await done(replace('Notes', textOf('old', 3), { metadata: { a: 1 } }));
      const other = await done(send('Others', textOf('other', 1)));
      expect(await done(replace('Notes', textOf('fresh', 2)))).toBe(id);
      expect(await read(id)).toMatchObject({ version: 2, chunks: 2, title: 'Notes', metadata: { a: 1 }, size_bytes: textOf('fresh', 2).length });
      expect((await search('old')).results).toEqual([]);
      expect((await search('fresh')).documents).toEqual([{ id, title: 'Notes', count: 2 }]);
      await tenant.client.post('/api/v1/databases', { name: 'second' });
      expect([id, other]).not.toContain(await done(replace('Notes', 'In another database.', { database: 'second' })));
      await tenant.client.delete(`/api/v1/documents/${id}`);
      expect(await done(replace('Notes', textOf('third', 1)))).not.toBe(id);
    });

    it('is the one that is named, whatever its name, also by a form', async () => {
      const id = await done(send('Notes', textOf('old', 3)));
      const form = { replace_existing: 'true', document_id: id.toUpperCase(), metadata: '{"b":2}' };
      expect(await done(tenant.client.upload('# A heading\n\nNewer words.', 'newer.md', { fields: form }))).toBe(id);
      expect(await read(id)).toMatchObject({ version: 2, name: 'newer.md', title: 'A heading', metadata: { b: 2 }, chunks: 1 });
      expect(await usedBy(tenant.client)).toMatchObject({ documents: 1, storage_mb: 25, vector_points: 1 });
      await whole();
    });

    it('by its own bytes is processed anew, and by those of another refused', async () => {
      const [id, other] = [await done(send('One', textOf('one', 2))), await done(send('Two', textOf('two', 2)))];
      expect(await done(replace('One', textOf('one', 2), { chunk_size: 1000 }))).toBe(id);
      expect(await read(id)).toMatchObject({ version: 2, chunks: 1 });
      expect(await replace('One', textOf('two', 2))).toMatchObject({ status: 409, body: { code: 'duplicate_document', document_id: other } });
      expect(await send('Three', textOf('one', 2))).toMatchObject({ status: 409, body: { code: 'duplicate_document', document_id: id } });
      // What it had before is free for others, once it has become something else.
      await done(replace('One', textOf('changed', 2)));
      await done(send('Three', textOf('one', 2)));
      await whole();
    });

    it('is so only on request, and only where it is', async () => {
      const id = await done(send('Notes', 'Some words.'));
      await tenant.client.post('/api/v1/databases', { name: 'second' });
      const second = (await tenant.client.get('/api/v1/databases')).body.databases.find(({ name }: { name: string }) => name === 'second').id;
      const bound = await createKey(tenant.client, ['ingest', 'write'], { database_ids: [second] });
      const other = await createTenant(server.anonymous);
      for (const more of [{ document_id: id }, { document_id: id, replace_existing: false }, { replace_existing: true, document_id: 'x' }, { replace_existing: 1 }, { replace_existing: null }]) {
        expect(await send('x', 'y', more)).toMatchObject({ status: 400, body: { code: 'validation_failed', errors: [{ field: Object.keys(more)[0] === 'document_id' || 'document_id' in more ? 'document_id' : 'replace_existing' }] } });
      }
      const named = { title: 'x', content: 'y', replace_existing: true, document_id: id };
      const unknown = await tenant.client.post('/api/v1/ingest/text', { ...named, document_id: UNKNOWN });
      expect(unknown).toMatchObject({ status: 404, body: { code: 'not_found' } });
      for (const [client, more] of [[tenant.client, { database: 'second' }], [tenant.client, { database_id: second }], [bound.client, {}], [other.client, {}]] as const) {
        const answer = await client.post('/api/v1/ingest/text', { ...named, ...more });
        expect([answer.status, answer.body.code, answer.body.detail]).toEqual([404, 'not_found', unknown.body.detail]);
      }
      for (const operation of ['reprocess', 'deprecate', 'restore']) for (const client of [bound.client, other.client]) expect((await client.post(`/api/v1/documents/${id}/${operation}`)).status).toBe(404);
      expect(await read(id)).toMatchObject({ version: 1, state: 'INGESTED' });
      await whole();
    });

    it('takes the place of one that failed, whose file goes at once', async () => {
      const { body } = await tenant.client.upload(' \n ', 'blank.txt');
      await waitForTask(tenant.client, body.task_id);
      expect(await done(tenant.client.upload('Now with words.', 'blank.txt', { fields: { replace_existing: 'true' } }))).toBe(body.document_id);
      expect(await read(body.document_id)).toMatchObject({ state: 'INGESTED', version: 2, chunks: 1, size_bytes: 15, processing_error: null });
      expect(await usedBy(tenant.client)).toMatchObject({ documents: 1, storage_mb: 15 });
      await whole();
    });

    it('needs no room for one more document, and room for its bytes', async () => {
      await setLimits(admin, tenant, { documents: 1, storage_mb: 1 });
      const fields = { replace_existing: 'true', chunk_size: '16000' };
      const id = await done(tenant.client.upload('x '.repeat(50_000), 'large.txt', { fields }));
      expect(await send('More', 'One too many.')).toMatchObject({ status: 429, body: { resource: 'documents' } });
      expect(await done(tenant.client.upload('y '.repeat(300_000), 'large.txt', { fields }))).toBe(id);
      expect(await usedBy(tenant.client)).toMatchObject({ documents: 1, storage_mb: 600_000 });
      // Until it has come, both are there.
      expect(await tenant.client.upload('z '.repeat(300_000), 'large.txt', { fields })).toMatchObject({ status: 429, body: { resource: 'storage_mb' } });
      expect(await read(id)).toMatchObject({ state: 'INGESTED', version: 2 });
      await whole();
    });

    it('by several at once becomes one of them; the others are refused and leave nothing', async () => {
      const id = await done(send('Notes', textOf('first', 2)));
      for (const title of ['Notes', 'Never seen before']) {
        // A second one may replace what the first has become; so none becomes anything before all are answered.
        const release = holdIngestion();
        const answers = await Promise.all(Array.from({ length: 6 }, (_, at) => replace(title, textOf(`${title} ${at}`, 2)))).finally(release);
        expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([202, 409, 409, 409, 409, 409]);
        for (const { status, body } of answers) if (status === 409) expect(['illegal_transition', 'document_changed']).toContain(body.code);
        const winner = answers.find(({ status }) => status === 202)!;
        expect(await waitForTask(tenant.client, winner.body.task_id)).toMatchObject({ status: 'completed' });
        expect(winner.body.document_id === id).toBe(title === 'Notes');
        await whole();
      }
      expect(await usedBy(tenant.client)).toMatchObject({ documents: 2, vector_points: 4 });
    });

    it('is found in its old or its new version all the while, never in both and never in none', async () => {
      const id = await done(send('Notes', textOf('zebra 0', 3)));
      let isOver = false;
      const seen = new Set<number>();
      async function look(mode: string): Promise<void> {
        while (!isOver) {
          const { status, body } = await tenant.client.post('/api/v1/search', { query: 'zebra', mode, top_k: 100 });
          expect(status).toBe(200);
          const versions = new Set<number>(body.results.map(({ citation }: { citation: { version: number } }) => citation.version));
          expect([...versions]).toEqual([expect.any(Number)]);
          const [version] = [...versions] as [number];
          expect(body.results).toHaveLength(2 + version);
          for (const { text } of body.results) expect(text).toContain(`zebra ${version - 1} `);
          seen.add(version);
        }
      }
      async function readOn(): Promise<void> {
        while (!isOver) {
          const document = await read(id);
          expect([document.version, document.chunks, document.size_bytes]).toEqual([document.version, 2 + document.version, textOf(`zebra ${document.version - 1}`, 2 + document.version).length]);
          expect(['PENDING', 'INGESTING', 'INGESTED']).toContain(document.state);
        }
      }
      const loops = [look('keyword'), look('hybrid'), look('vector'), readOn()];
      try {
        for (let at = 1; at <= 8; at++) await done(replace('Notes', textOf(`zebra ${at}`, 3 + at)));
      } finally {
        isOver = true;
        await Promise.all(loops);
      }
      expect(seen.size).toBeGreaterThan(3);
      await whole();
    }, 90_000);
  });

  it('that was replaced while it was searched is found in its new version', async () => {
    const id = await done(send('Notes', textOf('zebra old', 2)));
    const store = server.app.get(VectorStore, { strict: false });
    const { search: find } = store;
    const [answered, late] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let calls = 0;
    // Only delayed: what the store found first is from before the new version.
    store.search = async (...args) => {
      calls += 1;
      const hits = await find.apply(store, args);
      if (calls === 1) {
        answered.resolve();
        await late.promise;
      }
      return hits;
    };
    try {
      const searching = search('zebra');
      await answered.promise;
      await done(replace('Notes', textOf('zebra new', 3)));
      late.resolve();
      expect((await searching).results.map(({ citation }: { citation: object }) => citation)).toMatchObject(Array.from({ length: 3 }, () => ({ document_id: id, version: 2 })));
      expect(calls).toBe(2);
    } finally {
      store.search = find;
    }
  });

  it('that is deprecated is read and charged, but not found, until it is restored', async () => {
    const id = await ingestText(tenant.client, 'Birds', 'Puffins nest in burrows.');
    const used = await usedBy(tenant.client);
    expect(await operate(id, 'deprecate')).toMatchObject({ status: 200, body: { id, state: 'DEPRECATED', version: 1, chunks: 1 } });
    expect(await search('puffins')).toMatchObject({ results: [], documents: [] });
    expect(await read(id)).toMatchObject({ state: 'DEPRECATED' });
    expect((await tenant.client.get('/api/v1/documents?state=DEPRECATED')).body.documents).toMatchObject([{ id }]);
    expect(await send('Other', 'Puffins nest in burrows.')).toMatchObject({ status: 409, body: { code: 'duplicate_document', document_id: id } });
    expect(await usedBy(tenant.client)).toMatchObject({ ...used, api_calls_per_hour: expect.any(Number) });
    expect(await operate(id, 'restore')).toMatchObject({ status: 200, body: { id, state: 'INGESTED' } });
    expect((await search('puffins')).results).toHaveLength(1);
    await operate(id, 'deprecate');
    expect((await tenant.client.delete(`/api/v1/documents/${id}`)).status).toBe(204);
    await eventually(() => usedBy(tenant.client), ({ documents }) => documents === 0);
    await whole();
  });

  it('behind another that is deprecated, with many better places, is found all the same', async () => {
    await operate(await ingestText(tenant.client, 'Old', textOf('puffin puffin puffin', 60), { chunk_size: 100, chunk_overlap: 0 }), 'deprecate');
    const id = await ingestText(tenant.client, 'New', `A long text that mentions one puffin and ${'many other birds '.repeat(20)}.`);
    const { body } = await tenant.client.post('/api/v1/search', { query: 'puffin', top_k: 1 });
    expect(body.results).toMatchObject([{ citation: { document_id: id } }]);
  });

  it.each([
    ['INGESTED', ['delete', 'deprecate', 'reprocess'], ['restore']],
    ['DEPRECATED', ['delete', 'restore'], ['deprecate', 'reprocess', 'replace']],
    ['FAILED', ['delete', 'reprocess'], ['deprecate', 'restore']],
  ])('that is %s takes %j, and is told so when something else is asked of it', async (state, allowed, illegal) => {
    const { body } = await tenant.client.upload(state === 'FAILED' ? '  ' : 'Some words.', 'a.txt');
    await waitForTask(tenant.client, body.task_id);
    if (state === 'DEPRECATED') await operate(body.document_id, 'deprecate');
    for (const operation of illegal) {
      const answer = operation === 'replace' ? await tenant.client.upload('Newer words.', 'a.txt', { fields: { replace_existing: 'true' } }) : await operate(body.document_id, operation);
      expect([operation, answer.status, answer.body]).toMatchObject([operation, 409, { code: 'illegal_transition', state, allowed }]);
      expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    }
    expect(await read(body.document_id)).toMatchObject({ state, version: 1 });
    await whole();
  });

  it('gone is asked for nothing any more', async () => {
    const id = await ingestText(tenant.client, 'Gone', 'Soon gone.');
    await tenant.client.delete(`/api/v1/documents/${id}`);
    for (const operation of ['reprocess', 'deprecate', 'restore']) expect(await operate(id, operation)).toMatchObject({ status: 404 });
    expect(await replace('x', 'y', { document_id: id })).toMatchObject({ status: 404 });
    for (const operation of ['reprocess', 'deprecate', 'restore']) expect(await operate('x', operation)).toMatchObject({ status: 400 });
    await whole();
  });
});

describe('the next version of a document', () => {
  let provider: EmbeddingServer;
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;
  let store: VectorStore;

  beforeAll(async () => {
    provider = await EmbeddingServer.start();
    server = await TestApp.start(provider.env);
    store = server.app.get(VectorStore, { strict: false });
    admin = await administrator(server);
  });
  beforeEach(async () => {
    provider.refusals = [];
    tenant = await createTenant(server.anonymous);
    await setLimits(admin, tenant, { api_calls_per_hour: null });
  });
  afterAll(async () => {
    await server.stop();
    await provider.stop();
  });

  const read = async (id: string) => (await tenant.client.get(`/api/v1/documents/${id}`)).body;
  const versionsFound = async (query: string): Promise<number[]> =>
    (await tenant.client.post('/api/v1/search', { query, mode: 'keyword' })).body.results.map(({ citation }: { citation: { version: number } }) => citation.version);
  const replace = (id: string, content: string) => tenant.client.post('/api/v1/ingest/text', { title: 'Notes', content, chunk_size: 100, chunk_overlap: 0, replace_existing: true, document_id: id });
  const reprocess = (id: string) => tenant.client.post(`/api/v1/documents/${id}/reprocess`, { chunk_size: 100, chunk_overlap: 0 });
  const first = (chunks = 2) => ingestText(tenant.client, 'Notes', textOf('first', chunks), { chunk_size: 100, chunk_overlap: 0 });
  const whole = () => expectWhole(server, admin, tenant);

  /** Begins, and answers once the provider has been asked for its vectors, which it does not give. */
  async function held(begin: () => Promise<{ status: number; body: { task_id: string } }>): Promise<string> {
    const asked = provider.requests;
    provider.hold();
    const { status, body } = await begin();
    expect(status).toBe(202);
    await provider.received(asked + 1);
    return body.task_id;
  }

  /** What cancelling a job does to its document. */
  async function cancel(jobId: string): Promise<void> {
    await server.app.get(Transactions, { strict: false }).forTenant(tenant.tenantId, async (tx) => {
      const [[job]] = await tx.manager.query<[[Parameters<IngestHandler['giveUp']>[1]], number]>(
        `UPDATE jobs SET status = 'CANCELLED', lease_expires_at = NULL WHERE id = $1 RETURNING id, tenant_id AS "tenantId", user_id AS "userId", document_id AS "documentId", type, attempt, max_attempts AS "maxAttempts"`,
        [jobId],
      );
      await server.app.get(IngestHandler, { strict: false }).giveUp(tx, job, { code: 'cancelled', message: 'Cancelled.', retryable: true }, 'embedding');
    });
  }

  it('is charged while it comes, and meanwhile the old one is served and nothing else begins', async () => {
    const id = await first();
    const task = await held(() => replace(id, textOf('second', 3)));
    expect(await read(id)).toMatchObject({ state: 'INGESTING', version: 1, chunks: 2, size_bytes: textOf('first', 2).length, job_id: task });
    expect(await versionsFound('first')).toEqual([1, 1]);
    expect(await versionsFound('second')).toEqual([]);
    expect(await quotasOf(tenant.client)).toMatchObject({ documents: { used: 1 }, storage_mb: { used: textOf('first', 2).length + textOf('second', 3).length }, vector_points: { used: 2, reserved: 3 } });
    for (const answer of [await replace(id, textOf('third', 1)), await reprocess(id), await tenant.client.post(`/api/v1/documents/${id}/deprecate`)]) {
      expect(answer).toMatchObject({ status: 409, body: { code: 'illegal_transition', state: 'INGESTING', allowed: ['cancel', 'delete'] } });
    }
    for (const taken of ['first', 'second']) {
      const chunks = taken === 'first' ? 2 : 3;
      expect(await tenant.client.post('/api/v1/ingest/text', { title: 'Other', content: textOf(taken, chunks) })).toMatchObject({ status: 409, body: { code: 'duplicate_document', document_id: id } });
    }
    provider.release();
    expect(await waitForTask(tenant.client, task)).toMatchObject({ status: 'completed' });
    expect(await read(id)).toMatchObject({ state: 'INGESTED', version: 2, chunks: 3 });
    expect([await versionsFound('first'), await versionsFound('second')]).toEqual([[], [2, 2, 2]]);
    expect(await quotasOf(tenant.client)).toMatchObject({ documents: { used: 1 }, storage_mb: { used: textOf('second', 3).length }, vector_points: { used: 3, reserved: 0 } });
    await whole();
  });

  it('that fails leaves the old one as it was, with the reason, and nothing of itself', async () => {
    const id = await first();
    const before = await usedBy(tenant.client);
    for (const begin of [() => replace(id, textOf('second', 3)), () => reprocess(id)]) {
      provider.refusals = [401];
      const { body } = await begin();
      expect(await waitForTask(tenant.client, body.task_id)).toMatchObject({ status: 'failed' });
      expect(await read(id)).toMatchObject({ state: 'INGESTED', version: 1, chunks: 2, processing_error: { code: 'unauthorized', stage: 'embedding' } });
      expect(await versionsFound('first')).toEqual([1, 1]);
      expect(await usedBy(tenant.client)).toMatchObject({ ...before, api_calls_per_hour: expect.any(Number) });
    }
    // And its content is free.
    await ingestText(tenant.client, 'Other', textOf('second', 3));
    await whole();
    const { body } = await reprocess(id);
    expect(await waitForTask(tenant.client, body.task_id)).toMatchObject({ status: 'completed' });
    expect(await read(id)).toMatchObject({ state: 'INGESTED', version: 4, processing_error: null });
    await whole();
  });

  it('of a document that failed is refused when another has its content by now', async () => {
    provider.refusals = [401];
    const { body } = await tenant.client.post('/api/v1/ingest/text', { title: 'Failed', content: textOf('same', 2) });
    await waitForTask(tenant.client, body.task_id);
    const other = await ingestText(tenant.client, 'Other', textOf('same', 2));
    expect(await reprocess(body.document_id)).toMatchObject({ status: 409, body: { code: 'duplicate_document', document_id: other } });
    expect(await read(body.document_id)).toMatchObject({ state: 'FAILED', version: 1 });
    await tenant.client.delete(`/api/v1/documents/${other}`);
    expect(await waitForTask(tenant.client, (await reprocess(body.document_id)).body.task_id)).toMatchObject({ status: 'completed' });
    await whole();
  });

  it('that is cancelled leaves the old one, and what its worker stores afterwards goes', async () => {
    const id = await first();
    await cancel(await held(() => replace(id, textOf('second', 3))));
    expect(await read(id)).toMatchObject({ state: 'INGESTED', version: 1, processing_error: { code: 'cancelled' } });
    expect(await quotasOf(tenant.client)).toMatchObject({ storage_mb: { used: textOf('first', 2).length }, vector_points: { used: 2, reserved: 0 } });
    provider.release();
    await whole();
    expect(await versionsFound('first')).toEqual([1, 1]);
  });

  it('of a first one that is cancelled is none', async () => {
    const task = await held(() => tenant.client.post('/api/v1/ingest/text', { title: 'Notes', content: textOf('first', 2) }));
    await cancel(task);
    provider.release();
    const [{ id }] = (await tenant.client.get('/api/v1/documents')).body.documents;
    expect(await read(id)).toMatchObject({ state: 'FAILED', processing_error: { code: 'cancelled' } });
    await whole();
    expect(await usedBy(tenant.client)).toMatchObject({ documents: 0, storage_mb: 0, vector_points: 0 });
  });

  it('goes with its document, whenever that is deleted', async () => {
    const [coming, waiting, replaced, failed] = [await first(1), await ingestText(tenant.client, 'B', textOf('b', 2)), await ingestText(tenant.client, 'C', textOf('c', 2)), await ingestText(tenant.client, 'D', textOf('d', 2))];
    expect(await waitForTask(tenant.client, (await replace(replaced, textOf('newer', 3))).body.task_id)).toMatchObject({ status: 'completed' });
    provider.refusals = [401];
    await waitForTask(tenant.client, (await replace(failed, textOf('failing', 3))).body.task_id);
    await held(() => replace(coming, textOf('second', 3)));
    // Perhaps its worker is not yet there.
    await reprocess(waiting);
    const answers = await Promise.all([coming, waiting, replaced, failed].map((id) => tenant.client.delete(`/api/v1/documents/${id}`)));
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204, 204]);
    await eventually(() => blobsOf(server), (names) => names.every((name) => !name.startsWith(tenant.tenantId)));
    await eventually(() => usedBy(tenant.client), ({ documents, storage_mb, vector_points }) => documents === 0 && storage_mb === 0 && vector_points === 0);
    provider.release();
    await whole();
    const rows = await server.database.query('SELECT FROM documents WHERE tenant_id = $1', [tenant.tenantId]);
    expect(rows).toEqual([]);
  });

  it('keeps its points when the purge of the one that failed before it comes late', async () => {
    const { deleteDocument } = store;
    const [begun, late] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    provider.refusals = [401];
    let isFirst = true;
    // Only delayed: the row has been read by then, and the points of that time are really deleted afterwards. Workers of the test before may still be clearing up.
    store.deleteDocument = async (...args) => {
      if (isFirst && args[1].tenantId === tenant.tenantId) {
        isFirst = false;
        begun.resolve();
        await late.promise;
      }
      await deleteDocument.apply(store, args);
    };
    try {
      const accepted = await tenant.client.post('/api/v1/ingest/text', { title: 'Notes', content: textOf('first', 2), chunk_size: 100, chunk_overlap: 0 });
      await begun.promise;
      const again = await reprocess(accepted.body.document_id);
      expect(await waitForTask(tenant.client, again.body.task_id)).toMatchObject({ status: 'completed' });
      late.resolve();
      await whole();
      expect(await versionsFound('first')).toEqual([2, 2]);
    } finally {
      store.deleteDocument = deleteDocument;
    }
  });

  it('is all there is when the writer of an older one comes to its end after it', async () => {
    const id = await first();
    const { replaceDocument } = store;
    const [begun, late, stored] = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    store.replaceDocument = async (collection, scope, points) => {
      if (scope.version === 2) {
        begun.resolve();
        await late.promise;
      }
      await replaceDocument.call(store, collection, scope, points);
      if (scope.version === 2) stored.resolve();
    };
    try {
      const zombie = await replace(id, textOf('zombie', 3));
      await begun.promise;
      await cancel(zombie.body.task_id);
      const newer = await replace(id, textOf('newer', 4));
      expect(await waitForTask(tenant.client, newer.body.task_id)).toMatchObject({ status: 'completed' });
      late.resolve();
      await stored.promise;
      await whole();
      expect(await read(id)).toMatchObject({ state: 'INGESTED', version: 3, chunks: 4 });
      expect([await versionsFound('zombie'), await versionsFound('newer')]).toEqual([[], [3, 3, 3, 3]]);
    } finally {
      store.replaceDocument = replaceDocument;
    }
  });

  it('comes or does not, and all that is counted is what there is, whatever is done at once', async () => {
    await setLimits(admin, tenant, { documents: 6, vector_points: 30 });
    const ids: string[] = [];
    for (let at = 0; at < 4; at++) ids.push(await ingestText(tenant.client, `Notes ${at}`, textOf(`first ${at}`, 2), { chunk_size: 100, chunk_overlap: 0 }));
    for (let round = 0; round < 2; round++) {
      provider.refusals = Array.from({ length: 12 }, (_, at) => [200, 401, 500, 200][at % 4]!);
      const operations = Array.from({ length: 24 }, (_, at) => {
        const id = ids[at % 3]!;
        // The content of some is the same, so that they dispute it.
        if (at % 6 === 0) return replace(id, textOf(`round ${round} ${at % 4}`, 1 + (at % 4)));
        if (at % 6 === 1) return reprocess(id);
        if (at % 6 === 2) return tenant.client.post('/api/v1/ingest/text', { title: `Same ${at % 2}`, content: textOf(`round ${round} ${at % 3}`, 2), replace_existing: true, chunk_size: 100, chunk_overlap: 0 });
        if (at % 6 === 3) return tenant.client.post(`/api/v1/documents/${id}/${at % 4 === 1 ? 'deprecate' : 'restore'}`);
        if (at % 6 === 4) return tenant.client.upload(textOf(`form ${round} ${at}`, 2), `Notes ${at % 4}.md`, { fields: { replace_existing: 'true', chunk_size: '100', chunk_overlap: '0' } });
        return round === 1 || at === 5 ? tenant.client.delete(`/api/v1/documents/${id}`) : reprocess(ids[3]!);
      });
      const statuses = (await Promise.all(operations)).map(({ status }) => status);
      expect(statuses.filter((status) => ![200, 202, 204, 404, 409, 429].includes(status))).toEqual([]);
      expect(statuses).toContain(202);
      await whole();
    }
  }, 90_000);
});
