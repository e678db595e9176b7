import { Readable } from 'node:stream';
import type { ApiClient } from '../support/api-client.js';
import { HTML_PAGE } from '../fixtures/make.js';
import { blobsOf, originalsOf } from '../support/disk.js';
import { administrator, createKey, createTenant, eventually, ingestText, type Tenant } from '../support/factories.js';
import { setLimits } from '../support/quotas.js';
import { multipart, sendBytes, sendStream } from '../support/raw-http.js';
import { TestApp } from '../support/test-app.js';

const CONFIGURATION = '/api/v1/tenant/configuration';
const UNKNOWN = '019a0000-0000-7000-8000-00000000dead';
const MIB = 1024 * 1024;
const DEFAULTS = {
  default_database_id: null,
  default_collection_name: null,
  allowed_file_types: ['*'],
  max_file_size_mb: null,
  default_chunk_size: 2000,
  default_chunk_overlap: 200,
  enable_remote_processing: false,
  enable_webhooks: true,
  custom_settings: {},
};

describe('the configuration of a tenant', () => {
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;
  let client: ApiClient;

  beforeAll(async () => {
    server = await TestApp.start({ MAX_UPLOAD_MB: '3' });
    admin = await administrator(server);
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    ({ client } = tenant);
    await setLimits(admin, tenant, { api_calls_per_hour: null });
  });
  afterAll(() => server.stop());

  async function configure(change: object): Promise<void> {
    const { status, body } = await client.patch(CONFIGURATION, change);
    if (status !== 200) throw new Error(`configuring answered ${status}: ${JSON.stringify(body)}`);
  }

  async function createDatabase(name: string): Promise<{ id: string; collection: string }> {
    const { status, body } = await client.post('/api/v1/databases', { name });
    expect(status).toBe(201);
    return { id: body.id, collection: body.collection_name };
  }

  const text = (more: object = {}, at = client) => at.post('/api/v1/ingest/text', { title: 'A text', content: `Some words. ${Math.random()}`, ...more });
  const databaseOf = async (documentId: string): Promise<string> => (await client.get(`/api/v1/documents/${documentId}`)).body.database_id;
  const stored = async (): Promise<object> => (await server.database.query<{ configuration: object }>('SELECT configuration FROM tenants WHERE id = $1', [tenant.tenantId]))[0]!.configuration;
  const chunking = async (documentId: string): Promise<[number, number]> => {
    const [row] = await server.database.query<{ size: number; overlap: number }>('SELECT chunk_size AS size, chunk_overlap AS overlap FROM documents WHERE id = $1', [documentId]);
    return [row!.size, row!.overlap];
  };

  describe('as it is read and written', () => {
    it('is whole before anything was set, and stores nothing of that', async () => {
      expect(await client.get(CONFIGURATION)).toMatchObject({ status: 200, body: DEFAULTS });
      expect((await client.get('/api/v1/tenant/info')).body.configuration).toEqual(DEFAULTS);
      expect((await admin.get(`/admin/tenants/${tenant.tenantId}`)).body.configuration).toEqual(DEFAULTS);
      expect(await stored()).toEqual({});
    });

    it('changes the fields that are named, and null takes one back to its default', async () => {
      const changed = await client.patch(CONFIGURATION, { allowed_file_types: ['pdf', 'epub'], max_file_size_mb: 2, custom_settings: { toString: 'kept', a: [1] } });
      expect(changed).toMatchObject({ status: 200, body: { ...DEFAULTS, allowed_file_types: ['pdf', 'epub'], max_file_size_mb: 2, custom_settings: { toString: 'kept', a: [1] } } });
      await configure({ default_chunk_size: 500, enable_webhooks: false, enable_remote_processing: true, max_file_size_mb: null });
      const whole = { ...DEFAULTS, allowed_file_types: ['pdf', 'epub'], default_chunk_size: 500, enable_webhooks: false, enable_remote_processing: true, custom_settings: { toString: 'kept', a: [1] } };
      expect((await client.get(CONFIGURATION)).body).toEqual(whole);
      expect((await client.get('/api/v1/tenant/info')).body.configuration).toEqual(whole);
      await configure(Object.fromEntries(Object.keys(DEFAULTS).map((field) => [field, null])));
      expect((await client.get(CONFIGURATION)).body).toEqual(DEFAULTS);
      expect(await stored()).toEqual({});
    });

    it('keeps both of two changes that are made at once', async () => {
      const changes = [{ default_chunk_size: 900 }, { enable_webhooks: false }, { max_file_size_mb: 1 }, { allowed_file_types: ['md'] }, { custom_settings: { a: 1 } }, { enable_remote_processing: true }];
      await Promise.all(changes.map((change) => configure(change)));
      expect((await client.get(CONFIGURATION)).body).toEqual({ ...DEFAULTS, ...Object.assign({}, ...changes) });
    });

    it.each([
      ['an unknown field', { default_chunks: 5 }],
      ['no type at all', { allowed_file_types: [] }],
      ['an unknown type', { allowed_file_types: ['pdf', 'exe'] }],
      ['a type twice', { allowed_file_types: ['pdf', 'pdf'] }],
      ['a type that is no list', { allowed_file_types: 'pdf' }],
      ['a size of nothing', { max_file_size_mb: 0 }],
      ['half a MiB', { max_file_size_mb: 0.5 }],
      ['a size beyond the server’s own', { max_file_size_mb: 4 }],
      ['a chunk that is too small', { default_chunk_size: 99 }],
      ['a chunk that is too large', { default_chunk_size: 16_001 }],
      ['an overlap below none', { default_chunk_overlap: -1 }],
      ['a database that is no id', { default_database_id: 'default' }],
      ['a flag that is none', { enable_webhooks: 'yes' }],
      ['settings that are a list', { custom_settings: [1] }],
      ['settings that are too large', { custom_settings: { text: 'x'.repeat(16 * 1024) } }],
    ])('is not changed by %s', async (_, change) => {
      const own = await client.patch(CONFIGURATION, { enable_webhooks: true, ...change });
      expect(own).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
      expect(await admin.patch(`/admin/tenants/${tenant.tenantId}`, { configuration: change })).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
      expect(await stored()).toEqual({});
    });

    it('never has an overlap that is not smaller than the size, whichever of the two is changed', async () => {
      expect(await client.patch(CONFIGURATION, { default_chunk_size: 200 })).toMatchObject({ status: 422, body: { code: 'invalid_chunking' } });
      expect(await client.patch(CONFIGURATION, { default_chunk_overlap: 2000 })).toMatchObject({ status: 422, body: { code: 'invalid_chunking' } });
      await configure({ default_chunk_size: 3000, default_chunk_overlap: 2500 });
      const reset = await client.patch(CONFIGURATION, { default_chunk_size: null });
      expect(reset).toMatchObject({ status: 422, body: { code: 'invalid_chunking', detail: expect.stringContaining('2500 and 2000') } });
      const racing = await Promise.all([client.patch(CONFIGURATION, { default_chunk_size: 2600 }), client.patch(CONFIGURATION, { default_chunk_overlap: 2700 })]);
      expect(racing.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 422]);
    });

    it('is changed by whoever has `admin`, and read by whoever has `read`', async () => {
      const reader = await createKey(client, ['read', 'write', 'ingest', 'process', 'search']);
      expect((await reader.client.get(CONFIGURATION)).body).toEqual(DEFAULTS);
      expect(await reader.client.patch(CONFIGURATION, { enable_webhooks: true })).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
      const manager = await createKey(client, ['admin']);
      expect(await manager.client.patch(CONFIGURATION, { enable_webhooks: true })).toMatchObject({ status: 200 });
      expect(await manager.client.get(CONFIGURATION)).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
    });

    it('is changed by the administrator together with the rest, all or nothing', async () => {
      const path = `/admin/tenants/${tenant.tenantId}`;
      const refused = await admin.patch(path, { metadata: { plan: 'gold' }, configuration: { default_database_id: UNKNOWN } });
      expect(refused).toMatchObject({ status: 404, body: { code: 'not_found' } });
      expect((await admin.get(path)).body).toMatchObject({ metadata: {}, configuration: DEFAULTS });
      const { id } = await createDatabase('theirs');
      const changed = await admin.patch(path, { metadata: { plan: 'gold' }, configuration: { default_database_id: id, default_chunk_size: 400 } });
      expect(changed).toMatchObject({ status: 200, body: { metadata: { plan: 'gold' }, configuration: { default_database_id: id, default_chunk_size: 400 } } });
      expect((await client.get(CONFIGURATION)).body).toMatchObject({ default_database_id: id, default_chunk_size: 400 });
    });
  });

  describe('of the types it takes', () => {
    it('refuses the others with what is allowed, and keeps nothing of them', async () => {
      await configure({ allowed_file_types: ['pdf', 'html', 'xlsx'] });
      const refused = await text();
      expect(refused).toMatchObject({ status: 415, body: { code: 'type_not_allowed', file_type: 'md', allowed_file_types: ['pdf', 'html', 'xlsx'], retryable: false } });
      expect(refused.body.detail).toContain('pdf, html, xlsx');
      expect(await client.upload('Some words.', 'a.txt')).toMatchObject({ status: 415, body: { code: 'type_not_allowed', file_type: 'txt' } });
      expect(await client.upload('Not a PDF.', 'a.pdf')).toMatchObject({ status: 415, body: { code: 'type_mismatch' } });
      expect((await client.upload(HTML_PAGE, 'a.html')).status).toBe(202);
      expect((await originalsOf(server)).filter((name) => name.startsWith(tenant.tenantId) || name.startsWith('incoming'))).toHaveLength(1);
      await configure({ allowed_file_types: null });
      expect((await text()).status).toBe(202);
    });
  });

  describe('of the size of a file', () => {
    const BOUNDARY = 'xYzZY';
    const form = (bytes: number): Buffer => multipart(BOUNDARY, [{ headers: 'name="file"; filename="a.txt"', content: Buffer.alloc(bytes, 'x') }]);
    const pieces = (body: Buffer): Readable => Readable.from((function* cut() {
      for (let at = 0; at < body.length; at += 65_536) yield body.subarray(at, at + 65_536);
    })());

    it('ends a larger one with its own limit, whether it says its length or not, and takes one that just fits', async () => {
      await configure({ max_file_size_mb: 1 });
      const headers = { authorization: `Bearer ${tenant.token}`, 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
      for (const size of [MIB + 1, 2 * MIB + 500_000, 4 * MIB]) {
        const body = form(size);
        for (const more of [{ 'content-length': String(body.length) }, { 'transfer-encoding': 'chunked' }] as Record<string, string>[]) {
          const answer = await sendStream(`${server.url}/api/v1/ingest/file`, { ...headers, ...more }, pieces(body));
          expect([size, more, answer]).toMatchObject([size, more, { status: 413, body: { code: 'payload_too_large', detail: 'The limit is 1 MiB for a file of your tenant.' } }]);
          await eventually(() => blobsOf(server), (names) => names.every((name) => !name.startsWith('incoming')));
        }
      }
      expect(await text({ content: 'x'.repeat(MIB + 1) })).toMatchObject({ status: 413, body: { detail: expect.stringContaining('your tenant') } });
      expect((await client.send('POST', '/api/v1/ingest/file', form(MIB), { 'content-type': headers['content-type'] })).status).toBe(202);
      await configure({ max_file_size_mb: null });
      expect((await client.send('POST', '/api/v1/ingest/file', form(MIB + 1), { 'content-type': headers['content-type'] })).status).toBe(202);
      const tooLarge = await client.send('POST', '/api/v1/ingest/file', form(3 * MIB + 1), { 'content-type': headers['content-type'] });
      expect(tooLarge).toMatchObject({ status: 413, body: { detail: 'The limit is 3 MiB for a file.' } });
    });

    it('is refused by its length before anything of the body has come', async () => {
      await configure({ max_file_size_mb: 1 });
      const head = `POST /api/v1/ingest/file HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ${tenant.token}\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\nContent-Length: ${3 * MIB}\r\n\r\n`;
      expect(await sendBytes(server.url, head, 'wait')).toMatch(/^HTTP\/1\.1 413 /);
    });

    it('leaves nothing of a refused one before the next request of its connection', async () => {
      await configure({ max_file_size_mb: 1 });
      const next = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
      const statuses = await Promise.all(
        Array.from({ length: 10 }, async (_, at) => {
          const body = form(MIB + 1 + at * 90_000);
          const head = `POST /api/v1/ingest/file HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tenant.token}\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\nContent-Length: ${body.length}\r\n\r\n`;
          const answers = await sendBytes(server.url, Buffer.concat([Buffer.from(head), body, Buffer.from(next)]), 'wait');
          return [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status).join();
        }),
      );
      expect(statuses).toEqual(statuses.map(() => '413,200'));
    });
  });

  describe('of the chunks', () => {
    it('holds for what the request does not name, in JSON and in forms', async () => {
      await configure({ default_chunk_size: 700, default_chunk_overlap: 70 });
      const accepted = [await text(), await text({ chunk_size: 300 }), await text({ chunk_overlap: 0 }), await text({ chunk_size: 100, chunk_overlap: 10 }), await client.upload('Words in a form.', 'a.txt', { fields: { chunk_size: '400' } })];
      expect(accepted.map(({ status }) => status)).toEqual(accepted.map(() => 202));
      expect(await Promise.all(accepted.map(({ body }) => chunking(body.document_id)))).toEqual([[700, 70], [300, 70], [700, 0], [100, 10], [400, 70]]);
    });

    it('is told when the one that was named does not go with it', async () => {
      await configure({ default_chunk_size: 700, default_chunk_overlap: 150 });
      expect(await text({ chunk_size: 150 })).toMatchObject({ status: 422, body: { code: 'invalid_chunking', detail: expect.stringContaining('they would be 150 and 150') } });
      expect(await text({ chunk_overlap: 700 })).toMatchObject({ status: 422, body: { code: 'invalid_chunking', detail: expect.stringContaining('700 and 700') } });
    });
  });

  describe('of the default database', () => {
    it('is where documents go that name none, before the person’s own setting', async () => {
      const [ofTenant, ofPerson] = [await createDatabase('of-tenant'), await createDatabase('of-person')];
      await client.put('/auth/settings', { default_database: 'of-person' });
      expect(await databaseOf((await text()).body.document_id)).toBe(ofPerson.id);
      const set = await client.patch(CONFIGURATION, { default_database_id: ofTenant.id });
      expect(set.body).toMatchObject({ default_database_id: ofTenant.id, default_collection_name: ofTenant.collection });
      expect(await databaseOf((await text()).body.document_id)).toBe(ofTenant.id);
      expect(await databaseOf((await client.upload('In a form.', 'a.txt')).body.document_id)).toBe(ofTenant.id);
      expect(await databaseOf((await text({ database: 'of-person' })).body.document_id)).toBe(ofPerson.id);
      await configure({ default_database_id: null });
      expect(await databaseOf((await text()).body.document_id)).toBe(ofPerson.id);
    });

    it('is named by its id or by its collection, and by both only when they agree', async () => {
      const [first, second] = [await createDatabase('first'), await createDatabase('second')];
      expect((await client.patch(CONFIGURATION, { default_collection_name: first.collection })).body).toMatchObject({ default_database_id: first.id, default_collection_name: first.collection });
      expect((await client.patch(CONFIGURATION, { default_database_id: second.id, default_collection_name: second.collection })).status).toBe(200);
      for (const contradiction of [{ default_database_id: first.id, default_collection_name: second.collection }, { default_database_id: null, default_collection_name: second.collection }]) {
        expect(await client.patch(CONFIGURATION, contradiction)).toMatchObject({ status: 422, body: { code: 'default_database_contradicted' } });
      }
      expect((await client.get(CONFIGURATION)).body).toMatchObject({ default_database_id: second.id });
      expect((await client.patch(CONFIGURATION, { default_collection_name: null })).body).toMatchObject({ default_database_id: null, default_collection_name: null });
    });

    it('is left to the person again when the database is deleted, and nothing of it stays', async () => {
      const { id } = await createDatabase('short-lived');
      await configure({ default_database_id: id, default_chunk_size: 900 });
      expect((await client.delete(`/api/v1/databases/${id}`)).status).toBe(204);
      expect((await client.get(CONFIGURATION)).body).toEqual({ ...DEFAULTS, default_chunk_size: 900 });
      expect(await stored()).toEqual({ defaultChunkSize: 900 });
      expect(await databaseOf(await ingestText(client, 'After', 'It goes where the person’s own setting says.'))).not.toBe(id);
    });

    it('never names one that is deleted at the same moment', async () => {
      for (let round = 0; round < 8; round++) {
        const { id } = await createDatabase(`racing-${round}`);
        const [set, removed] = await Promise.all([client.patch(CONFIGURATION, { default_database_id: id }), client.delete(`/api/v1/databases/${id}`)]);
        expect([200, 404]).toContain(set.status);
        expect(removed.status).toBe(204);
        expect(await stored()).toEqual({});
      }
    });

    it('cannot be out of the reach of a key that is bound to databases, which does not see one there either', async () => {
      const [mine, other] = [await createDatabase('mine'), await createDatabase('other')];
      const bound = await createKey(client, ['read', 'ingest', 'admin'], { database_ids: [mine.id] });
      const missing = await bound.client.patch(CONFIGURATION, { default_database_id: UNKNOWN });
      for (const change of [{ default_database_id: other.id }, { default_collection_name: other.collection }]) {
        const refused = await bound.client.patch(CONFIGURATION, change);
        expect(refused.status).toBe(404);
        expect({ ...refused.body, request_id: '' }).toEqual({ ...missing.body, request_id: '' });
      }
      await configure({ default_database_id: other.id });
      expect((await bound.client.get(CONFIGURATION)).body).toEqual(DEFAULTS);
      expect((await bound.client.get('/api/v1/tenant/info')).body.configuration).toEqual(DEFAULTS);
      expect(await text({}, bound.client)).toMatchObject({ status: 404, body: { code: 'not_found' } });
      expect((await bound.client.patch(CONFIGURATION, { default_database_id: mine.id })).body).toMatchObject({ default_database_id: mine.id });
      expect(await databaseOf((await text({}, bound.client)).body.document_id)).toBe(mine.id);
    });
  });

  describe('with several servers', () => {
    let second: TestApp;

    beforeAll(async () => {
      second = await server.beside({ ROLE: 'api', MAX_UPLOAD_MB: '3' });
    });
    afterAll(() => second.app.close());

    it('holds for the next request of each', async () => {
      const there = second.anonymous.asUser(tenant.token);
      for (let round = 0; round < 5; round++) {
        await configure({ allowed_file_types: ['pdf'] });
        expect(await text({}, there)).toMatchObject({ status: 415, body: { code: 'type_not_allowed' } });
        expect((await there.patch(CONFIGURATION, { allowed_file_types: null, default_chunk_size: 1000 + round })).status).toBe(200);
        const accepted = await text();
        expect(accepted.status).toBe(202);
        expect(await chunking(accepted.body.document_id)).toEqual([1000 + round, 200]);
      }
    });
  });
});
