import { isWellFormedKey } from '../../src/api-keys/key-format.js';
import type { ApiClient } from '../support/api-client.js';
import { administrator, changeStanding, createKey, createTenant, eventually, ingestText, PASSWORD, signIn, type Tenant } from '../support/factories.js';
import { untilAnswered } from '../support/insisting.js';
import { TestApp } from '../support/test-app.js';

const KEYS = '/api/v1/api-keys';
const NOWHERE = '00000000-0000-7000-8000-000000000000';
const anonymised = (body: Record<string, unknown>): string => JSON.stringify({ ...body, request_id: '', instance: '' });

describe('API keys', () => {
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
  });
  afterAll(() => server.stop());

  async function limitKeys(limit: number): Promise<void> {
    const { status } = await admin.patch(`/admin/tenants/${tenant.tenantId}`, { quotas: [{ resource_type: 'api_keys', limit }] });
    expect(status).toBe(200);
  }
  async function keysInUse(): Promise<number> {
    const { body } = await tenant.client.get('/api/v1/tenant/quotas');
    return body.quotas.find((quota: { resource_type: string }) => quota.resource_type === 'api_keys').used;
  }

  describe('their life', () => {
    it('begins with the defaults of the contract', async () => {
      const { status, body } = await tenant.client.post(KEYS, { name: 'plain' });
      expect(status).toBe(201);
      expect(body.secret_key).toMatch(/^mk_live_[0-9A-Za-z]{38}$/);
      expect(isWellFormedKey(body.secret_key as string)).toBe(true);
      expect(body.api_key).toEqual({
        id: expect.any(String), name: 'plain', description: null, key_prefix: body.secret_key.slice(0, 12), environment: 'live', permissions: ['read'], status: 'active',
        expires_at: null, rate_limit_per_hour: 1000, allowed_ips: [], database_ids: null, created_at: expect.any(String), last_used: null, usage_count: 0,
        user_id: tenant.userId, metadata: {}, rotated_from: null,
      });
    });

    it('keeps what it was given, and lists and shows it without the secret', async () => {
      const wanted = {
        name: 'Ünïcode 🔑', description: 'for the crawler', permissions: ['ingest', 'search'], environment: 'test', rate_limit_per_hour: 10_000,
        allowed_ips: ['10.0.0.0/8', '2001:db8::1'], metadata: { team: 'crawl', nested: { deep: [1, null] } }, expires_at: '2099-01-01T00:00:00.000Z',
      };
      const created = await tenant.client.post(KEYS, wanted);
      expect(created).toMatchObject({ status: 201, body: { api_key: wanted, secret_key: expect.stringMatching(/^mk_test_/) } });
      const shown = await tenant.client.get(`${KEYS}/${created.body.api_key.id}`);
      expect(shown.body).toEqual(created.body.api_key);
      const listed = await tenant.client.get(KEYS);
      expect(listed.body).toEqual({ api_keys: [shown.body], total: 1, skip: 0, limit: 50, next_cursor: null, has_more: false });
    });

    it.each(['put', 'patch'] as const)('changes by %s only what is named', async (method) => {
      const { body } = await tenant.client.post(KEYS, { name: 'before', description: 'kept', permissions: ['read', 'search'], expires_at: '2099-01-01T00:00:00.000Z' });
      const { id } = body.api_key;
      expect(await tenant.client[method](`${KEYS}/${id}`, { name: 'after' })).toMatchObject({ status: 200, body: { ...body.api_key, name: 'after' } });
      expect((await tenant.client[method](`${KEYS}/${id}`, { permissions: ['write'], rate_limit_per_hour: 7, description: null, expires_at: null })).body).toEqual({
        ...body.api_key, name: 'after', permissions: ['write'], rate_limit_per_hour: 7, description: null, expires_at: null,
      });
      expect((await tenant.client[method](`${KEYS}/${id}`, {})).body).toMatchObject({ name: 'after', permissions: ['write'], status: 'active' });
    });

    it.each(['name', 'permissions', 'status', 'rate_limit_per_hour', 'allowed_ips', 'metadata'])('cannot lose its %s to a null', async (field) => {
      const key = await createKey(tenant.client, ['read']);
      expect(await tenant.client.patch(`${KEYS}/${key.id}`, { [field]: null })).toMatchObject({ status: 400, body: { errors: [{ field }] } });
      expect((await tenant.client.get(`${KEYS}/${key.id}`)).body.status).toBe('active');
    });

    it.each<[string, Record<string, unknown>, string]>([
      ['no name', { name: undefined }, 'name'],
      ['an empty name', { name: '' }, 'name'],
      ['a name of 256 characters', { name: 'n'.repeat(256) }, 'name'],
      ['an unknown permission', { permissions: ['read', 'root'] }, 'permissions'],
      ['no permission at all', { permissions: [] }, 'permissions'],
      ['a permission twice', { permissions: ['read', 'read'] }, 'permissions'],
      ['permissions that are no list', { permissions: 'read' }, 'permissions'],
      ['permissions that are null', { permissions: null }, 'permissions'],
      ['an unknown environment', { environment: 'prod' }, 'environment'],
      ['an environment that is null', { environment: null }, 'environment'],
      ['a past expiry', { expires_at: '2001-01-01T00:00:00Z' }, 'expires_at'],
      ['an expiry that is no time', { expires_at: 'soon' }, 'expires_at'],
      ['a rate of 0', { rate_limit_per_hour: 0 }, 'rate_limit_per_hour'],
      ['a rate of 10001', { rate_limit_per_hour: 10_001 }, 'rate_limit_per_hour'],
      ['a rate as text', { rate_limit_per_hour: '5' }, 'rate_limit_per_hour'],
      ['an address that is none', { allowed_ips: ['10.0.0.300'] }, 'allowed_ips'],
      ['an address in disguise', { allowed_ips: ['0x7f.1'] }, 'allowed_ips'],
      ['a range too wide to exist', { allowed_ips: ['10.0.0.0/33'] }, 'allowed_ips'],
      ['a database that is no id', { database_ids: ['default'] }, 'database_ids'],
      ['an empty list of databases', { database_ids: [] }, 'database_ids'],
      ['metadata of more than 16 KiB', { metadata: { text: 'x'.repeat(16_384) } }, 'metadata'],
      ['a time that is no ISO 8601', { expires_at: '2099' }, 'expires_at'],
      ['metadata that is a list', { metadata: [] }, 'metadata'],
      ['a secret of its own choice', { secret_key: 'mk_live_mine' }, 'secret_key'],
      ['an owner of its own choice', { user_id: NOWHERE }, 'user_id'],
    ])('does not begin with %s', async (_, wrong, field) => {
      const { status, body } = await tenant.client.post(KEYS, { name: 'wrong', ...wrong });
      expect({ status, code: body.code, fields: body.errors?.map((error: { field: string }) => error.field) }).toEqual({ status: 400, code: 'validation_failed', fields: [field] });
      expect(await keysInUse()).toBe(0);
    });

    it('never shows the secret again, and it is stored nowhere', async () => {
      const { secret, id } = await createKey(tenant.client, ['read', 'admin']);
      const client = server.anonymous.asApiKey(secret);
      for (const path of ['/auth/me', KEYS, `${KEYS}/${id}`]) expect(JSON.stringify((await client.get(path)).body)).not.toContain(secret.slice(12));
      const random = secret.slice('mk_live_'.length);
      const needles = [random, Buffer.from(secret).toString('hex'), Buffer.from(random).toString('hex'), Buffer.from(secret).toString('base64').slice(8, 40)];
      const tables = await server.database.query<{ name: string }>(
        `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
      );
      expect(tables.length).toBeGreaterThan(10);
      let rowsRead = 0;
      for (const { name } of tables) {
        const rows = await server.database.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`);
        rowsRead += rows.length;
        for (const { row } of rows) for (const needle of needles) expect(row).not.toContain(needle);
      }
      expect(rowsRead).toBeGreaterThan(10);
    });

    it('may share no name, until the other is revoked', async () => {
      const first = await createKey(tenant.client, ['read'], { name: 'crawler' });
      const second = await createKey(tenant.client, ['read'], { name: 'indexer' });
      expect(await tenant.client.post(KEYS, { name: 'crawler' })).toMatchObject({ status: 409, body: { code: 'name_taken' } });
      expect(await tenant.client.patch(`${KEYS}/${second.id}`, { name: 'crawler' })).toMatchObject({ status: 409, body: { code: 'name_taken' } });
      expect(await keysInUse()).toBe(2);
      const elsewhere = await createTenant(server.anonymous);
      expect((await elsewhere.client.post(KEYS, { name: 'crawler' })).status).toBe(201);
      await tenant.client.delete(`${KEYS}/${first.id}`);
      expect((await tenant.client.post(KEYS, { name: 'crawler' })).status).toBe(201);
    });

    it('ends for good: a revoked key works never again and cannot be changed, but is still shown', async () => {
      const key = await createKey(tenant.client, ['read']);
      expect((await tenant.client.delete(`${KEYS}/${key.id}`)).status).toBe(204);
      expect(await tenant.client.get(`${KEYS}/${key.id}`)).toMatchObject({ status: 200, body: { status: 'revoked' } });
      for (const change of [{ status: 'active' }, { name: 'reborn' }, { expires_at: '2099-01-01T00:00:00Z' }, {}]) {
        expect(await tenant.client.patch(`${KEYS}/${key.id}`, change)).toMatchObject({ status: 409, body: { code: 'illegal_transition', allowed: [] } });
      }
      expect((await key.client.get('/auth/me')).status).toBe(401);
    });

    it('is hidden from other tenants exactly like one that does not exist', async () => {
      const key = await createKey(tenant.client, ['read']);
      const stranger = await createTenant(server.anonymous);
      for (const [method, body] of [['GET'], ['DELETE'], ['PATCH', { name: 'mine' }], ['PUT', { status: 'inactive' }]] as const) {
        const foreign = await stranger.client.send(method, `${KEYS}/${key.id}`, body);
        const missing = await stranger.client.send(method, `${KEYS}/${NOWHERE}`, body);
        expect(foreign.status).toBe(404);
        expect(anonymised(foreign.body)).toBe(anonymised(missing.body));
      }
      expect((await stranger.client.get(KEYS)).body).toMatchObject({ api_keys: [], total: 0 });
      expect((await key.client.get('/auth/me')).status).toBe(200);
    });
  });

  describe('what they may do', () => {
    it('is what their permissions say, at the moment of use', async () => {
      const key = await createKey(tenant.client, ['read']);
      expect((await key.client.get('/api/v1/documents')).status).toBe(200);
      expect(await key.client.post('/api/v1/search', { query: 'x' })).toMatchObject({ status: 403, body: { code: 'insufficient_scope', required_permission: 'search' } });
      await tenant.client.patch(`${KEYS}/${key.id}`, { permissions: ['search'] });
      expect((await key.client.post('/api/v1/search', { query: 'x' })).status).toBe(200);
      expect(await key.client.get('/api/v1/documents')).toMatchObject({ status: 403, body: { required_permission: 'read' } });
    });

    it('shrinks with the role of their owner, and grows back with it', async () => {
      const key = await createKey(tenant.client, ['read', 'write', 'ingest', 'search', 'admin']);
      await changeStanding(admin, tenant.userId, { role: 'VIEWER' });
      const viewer = server.anonymous.asUser(await signIn(server.anonymous, tenant.email, PASSWORD));
      expect((await key.client.get('/api/v1/documents')).status).toBe(200);
      expect((await key.client.post('/api/v1/search', { query: 'x' })).status).toBe(200);
      expect(await key.client.post('/api/v1/ingest/text', { title: 'T', content: 'C' })).toMatchObject({ status: 403, body: { code: 'insufficient_scope', required_permission: 'ingest' } });
      expect(await key.client.delete(`/api/v1/documents/${NOWHERE}`)).toMatchObject({ status: 403, body: { required_permission: 'write' } });
      for (const client of [key.client, viewer]) expect(await client.get(KEYS)).toMatchObject({ status: 403, body: { required_permission: 'admin' } });
      await changeStanding(admin, tenant.userId, { role: 'USER' });
      expect((await key.client.get(KEYS)).status).toBe(200);
    });

    it('ends with their expiry', async () => {
      const expiresAt = Date.now() + 1500;
      const key = await createKey(tenant.client, ['read'], { expires_at: new Date(expiresAt).toISOString() });
      expect((await key.client.get('/auth/me')).status).toBe(200);
      await eventually(() => key.client.get('/auth/me'), ({ status }) => status === 401);
      expect(Date.now()).toBeGreaterThanOrEqual(expiresAt);
      expect((await tenant.client.get(`${KEYS}/${key.id}`)).body.status).toBe('expired');
      expect((await tenant.client.get(`${KEYS}?status=expired`)).body.api_keys).toHaveLength(1);
    });

    it('pauses while they are switched off', async () => {
      const key = await createKey(tenant.client, ['read']);
      expect((await tenant.client.patch(`${KEYS}/${key.id}`, { status: 'inactive' })).body.status).toBe('inactive');
      expect((await key.client.get('/auth/me')).status).toBe(401);
      expect((await tenant.client.patch(`${KEYS}/${key.id}`, { status: 'active' })).body.status).toBe('active');
      expect((await key.client.get('/auth/me')).status).toBe(200);
    });

    it('is bound to their addresses', async () => {
      const elsewhere = await createKey(tenant.client, ['read'], { allowed_ips: ['203.0.113.0/24', '2001:db8::/32'] });
      const here = await createKey(tenant.client, ['read'], { allowed_ips: ['203.0.113.0/24', '127.0.0.0/8'] });
      expect(await elsewhere.client.get('/auth/me')).toMatchObject({ status: 403, body: { code: 'ip_not_allowed' } });
      expect((await here.client.get('/auth/me')).status).toBe(200);
      expect(await elsewhere.client.get('/auth/me', { 'x-forwarded-for': '203.0.113.7' })).toMatchObject({ status: 403, body: { code: 'ip_not_allowed' } });
      await tenant.client.patch(`${KEYS}/${elsewhere.id}`, { allowed_ips: [] });
      expect((await elsewhere.client.get('/auth/me')).status).toBe(200);
    });
  });

  describe('made by a key', () => {
    it('may do no more than their maker', async () => {
      const bound = (await tenant.client.post('/api/v1/databases', { name: 'bound' })).body.id as string;
      const free = (await tenant.client.post('/api/v1/databases', { name: 'free' })).body.id as string;
      const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
      const limits = { expires_at: expiresAt, database_ids: [bound], allowed_ips: ['127.0.0.1', '10.0.0.0/8'] };
      const maker = await createKey(tenant.client, ['read', 'admin'], limits);

      for (const beyond of [
        { permissions: ['read', 'write'] },
        { permissions: ['ingest'] },
        { expires_at: '2099-01-01T00:00:00.000Z' },
        { expires_at: null },
        { database_ids: [bound, free] },
        { database_ids: [free] },
        { database_ids: null },
        { allowed_ips: [] },
        { allowed_ips: ['0.0.0.0/0'] },
        { allowed_ips: ['127.0.0.1', '192.168.0.1'] },
      ]) {
        expect(await maker.client.post(KEYS, { name: 'beyond', permissions: ['read'], ...beyond })).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
        expect(await maker.client.patch(`${KEYS}/${maker.id}`, beyond)).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
      }
      expect(await keysInUse()).toBe(1);

      const heir = await maker.client.post(KEYS, { name: 'heir', permissions: ['read'] });
      expect(heir).toMatchObject({ status: 201, body: { api_key: limits } });
      const narrower = await maker.client.post(KEYS, { name: 'narrower', permissions: ['read'], expires_at: new Date(Date.now() + 60_000).toISOString(), allowed_ips: ['127.0.0.1'] });
      expect(narrower.status).toBe(201);
      for (const within of ['10.1.0.0/16', '10.1.2.3', '::ffff:10.1.2.3', '127.0.0.1/32']) {
        expect(await maker.client.patch(`${KEYS}/${narrower.body.api_key.id}`, { allowed_ips: [within] })).toMatchObject({ status: 200, body: { allowed_ips: [within] } });
      }
    });

    it('stay within the role of the maker’s owner', async () => {
      const maker = await createKey(tenant.client, ['read', 'write', 'admin']);
      await changeStanding(admin, tenant.userId, { role: 'VIEWER' });
      expect((await maker.client.post(KEYS, { name: 'sneaked', permissions: ['read'] })).status).toBe(403);
    });

    it('are the only ones it can change: one that reaches further can be neither widened nor switched on', async () => {
      const maker = await createKey(tenant.client, ['read', 'admin'], { allowed_ips: ['127.0.0.1'] });
      const wider = await createKey(tenant.client, ['read', 'write'], { allowed_ips: ['127.0.0.1'] });
      const farther = await createKey(tenant.client, ['read']);
      await tenant.client.patch(`${KEYS}/${wider.id}`, { status: 'inactive' });
      for (const { id } of [wider, farther]) {
        expect(await maker.client.patch(`${KEYS}/${id}`, { status: 'active' })).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
      }
      expect((await wider.client.get('/auth/me')).status).toBe(401);
      expect(await maker.client.patch(`${KEYS}/${wider.id}`, { permissions: ['read'] })).toMatchObject({ status: 200, body: { permissions: ['read'] } });
      expect((await maker.client.patch(`${KEYS}/${NOWHERE}`, { name: 'x' })).status).toBe(404);
    });
  });

  describe('their number', () => {
    it('is exact under forty at once', async () => {
      await limitKeys(7);
      const asked = await Promise.all(Array.from({ length: 40 }, (_, i) => untilAnswered(() => tenant.client.post(KEYS, { name: `key ${i}` }))));
      const refused = asked.filter(({ status }) => status !== 201);
      expect(asked.length - refused.length).toBe(7);
      for (const answer of refused) {
        expect(answer).toMatchObject({
          status: 429,
          body: { code: 'quota_exceeded', type: 'https://iana.org/assignments/http-problem-types#quota-exceeded', resource: 'api_keys', limit: 7, used: 7, requested: 1, retryable: false },
        });
        expect(answer.headers.get('retry-after')).toBeNull();
      }
      expect(await keysInUse()).toBe(7);
      expect((await tenant.client.get(KEYS)).body.total).toBe(7);
    });

    it('falls once, however often and at once a key is deleted', async () => {
      const kept = await createKey(tenant.client, ['read']);
      const doomed = await createKey(tenant.client, ['read']);
      await limitKeys(2);
      const deleted = await Promise.all(Array.from({ length: 10 }, () => tenant.client.delete(`${KEYS}/${doomed.id}`)));
      expect(new Set(deleted.map(({ status }) => status))).toEqual(new Set([204]));
      expect(await keysInUse()).toBe(1);
      expect((await tenant.client.post(KEYS, { name: 'fits' })).status).toBe(201);
      expect((await tenant.client.post(KEYS, { name: 'does not' })).status).toBe(429);
      expect((await kept.client.get('/auth/me')).status).toBe(200);
    });

    it('below what exists refuses new keys, and still lets people read and delete', async () => {
      const keys = await Promise.all([createKey(tenant.client, ['read']), createKey(tenant.client, ['read'])]);
      await limitKeys(0);
      expect((await tenant.client.post(KEYS, { name: 'one more' })).status).toBe(429);
      expect((await tenant.client.get(KEYS)).body.total).toBe(2);
      for (const { id } of keys) expect((await tenant.client.delete(`${KEYS}/${id}`)).status).toBe(204);
      expect(await keysInUse()).toBe(0);
    });
  });

  describe('their list', () => {
    let ids: string[];
    beforeEach(async () => {
      ids = [];
      for (let i = 0; i < 7; i++) ids.unshift((await createKey(tenant.client, i % 2 ? ['read', 'search'] : ['read'], { name: `List ${i}%_` })).id);
    });
    const idsOf = (body: { api_keys: { id: string }[] }): string[] => body.api_keys.map(({ id }) => id);

    it('is read to its end by cursor, newest first, each once, while keys are added', async () => {
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const { body }: { body: { api_keys: { id: string }[]; next_cursor: string | null; has_more: boolean } } = await tenant.client.get(`${KEYS}?limit=3${cursor === null ? '' : `&cursor=${cursor}`}`);
        seen.push(...idsOf(body));
        expect(body.has_more).toBe(body.next_cursor !== null);
        cursor = body.next_cursor;
        if (seen.length === 3) await createKey(tenant.client, ['read']);
      } while (cursor !== null);
      expect(seen).toEqual(ids);
    });

    it('is read by skip and limit, with a total', async () => {
      const { body } = await tenant.client.get(`${KEYS}?skip=5&limit=3`);
      expect(body).toMatchObject({ total: 7, skip: 5, limit: 3, has_more: false, next_cursor: null });
      expect(idsOf(body)).toEqual(ids.slice(5));
      expect((await tenant.client.get(`${KEYS}?skip=2&limit=2`)).body).toMatchObject({ total: 7, has_more: true });
      expect((await tenant.client.get(`${KEYS}?skip=100`)).body).toMatchObject({ api_keys: [], total: 7, has_more: false });
    });

    it('is filtered by status, permission and part of the name', async () => {
      await tenant.client.delete(`${KEYS}/${ids[0]}`);
      await tenant.client.patch(`${KEYS}/${ids[1]}`, { status: 'inactive' });
      expect(idsOf((await tenant.client.get(`${KEYS}?status=revoked`)).body)).toEqual([ids[0]]);
      expect(idsOf((await tenant.client.get(`${KEYS}?status=inactive`)).body)).toEqual([ids[1]]);
      expect((await tenant.client.get(`${KEYS}?status=active`)).body.total).toBe(5);
      expect((await tenant.client.get(`${KEYS}?permission=search`)).body.total).toBe(3);
      expect(idsOf((await tenant.client.get(`${KEYS}?name_contains=lIST%203`)).body)).toEqual([ids[3]]);
      expect((await tenant.client.get(`${KEYS}?name_contains=%25_`)).body.total).toBe(7);
      expect((await tenant.client.get(`${KEYS}?name_contains=_%25`)).body.total).toBe(0);
    });

    it('refuses a cursor that is forged, foreign, or of another filter', async () => {
      const cursor = (await tenant.client.get(`${KEYS}?limit=1`)).body.next_cursor as string;
      const stranger = await createTenant(server.anonymous);
      const [id, mac] = Buffer.from(cursor, 'base64url').toString().split('|');
      const edited = Buffer.from(`${ids[3]}|${mac}`).toString('base64url');
      const unsigned = Buffer.from(`${id}|`).toString('base64url');
      for (const forged of ['garbage', edited, unsigned, cursor.slice(0, -2), `${cursor}AAAA`, 'null', '%00']) {
        expect(await tenant.client.get(`${KEYS}?cursor=${forged}`)).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
      }
      expect(await stranger.client.get(`${KEYS}?cursor=${cursor}`)).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
      expect(await tenant.client.get(`${KEYS}?status=active&cursor=${cursor}`)).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
      expect(await tenant.client.get(`/api/v1/documents?cursor=${cursor}`)).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
    });

    it.each(['limit=101', 'created_after=-271820-01-01T00:00:00Z', 'created_after=5', 'limit=0', 'limit=-1', 'limit=1.5', 'limit=', 'limit=ten', 'limit=1&limit=2', 'skip=-1', 'skip=x', 'status=lost', 'permission=root', 'sort=name', 'cursor=1&cursor=2'])(
      'refuses ?%s',
      async (query) => {
        expect(await tenant.client.get(`${KEYS}?${query}`)).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
      },
    );
  });

  describe('bound to a database', () => {
    let bound: string;
    let other: string;
    beforeEach(async () => {
      bound = (await tenant.client.post('/api/v1/databases', { name: 'bound' })).body.id as string;
      other = (await tenant.client.post('/api/v1/databases', { name: 'other' })).body.id as string;
    });

    it('reach it and no other, as if there were no other', async () => {
      const mine = await ingestText(tenant.client, 'Mine', 'The heron waits at the weir.', { database_id: bound });
      const theirs = await ingestText(tenant.client, 'Theirs', 'The heron waits at the lock.', { database_id: other });
      const theirJob = (await tenant.client.get(`/api/v1/documents/${theirs}`)).body.job_id as string;
      const { client } = await createKey(tenant.client, ['read', 'write', 'ingest', 'search'], { database_ids: [bound] });

      expect((await client.get(`/api/v1/databases/${bound}`)).status).toBe(200);
      expect((await client.get('/api/v1/databases')).body.databases.map(({ id }: { id: string }) => id)).toEqual([bound]);
      expect((await client.get('/api/v1/tenant/collections')).body.collections).toEqual([`user_${tenant.userId}_bound`]);
      expect((await client.get('/api/v1/documents')).body.documents.map(({ id }: { id: string }) => id)).toEqual([mine]);
      expect((await client.get(`/api/v1/documents?database_id=${other}`)).body.documents).toEqual([]);
      expect((await client.get('/api/v1/jobs')).body.jobs.map((job: { document_id: string }) => job.document_id)).toEqual([mine]);
      const found = await client.post('/api/v1/search', { query: 'heron waits' });
      expect(found.body.documents.map(({ id }: { id: string }) => id)).toEqual([mine]);
      expect((await client.post('/api/v1/search', { query: 'heron waits', document_ids: [theirs] })).body.results).toEqual([]);

      const alike: [string, string, string, unknown?, unknown?][] = [
        ['GET', `/api/v1/databases/${other}`, `/api/v1/databases/${NOWHERE}`],
        ['DELETE', `/api/v1/databases/${other}`, `/api/v1/databases/${NOWHERE}`],
        ['GET', `/api/v1/documents/${theirs}`, `/api/v1/documents/${NOWHERE}`],
        ['DELETE', `/api/v1/documents/${theirs}`, `/api/v1/documents/${NOWHERE}`],
        ['GET', `/api/v1/jobs/${theirJob}`, `/api/v1/jobs/${NOWHERE}`],
        ['GET', `/api/v1/status/${theirJob}`, `/api/v1/status/${NOWHERE}`],
        ['POST', '/api/v1/search', '/api/v1/search', { query: 'heron', database_ids: [other] }, { query: 'heron', database_ids: [NOWHERE] }],
        ['POST', '/api/v1/search', '/api/v1/search', { query: 'heron', databases: ['other'] }, { query: 'heron', databases: ['nowhere'] }],
        ['POST', '/api/v1/ingest/text', '/api/v1/ingest/text', { title: 'T', content: 'C', database_id: other }, { title: 'T', content: 'C', database_id: NOWHERE }],
        ['POST', '/api/v1/ingest/text', '/api/v1/ingest/text', { title: 'T', content: 'C', database: 'other' }, { title: 'T', content: 'C', database: 'nowhere' }],
        // Names none: the owner's default database is not one it may use either.
        ['POST', '/api/v1/ingest/text', '/api/v1/ingest/text', { title: 'T', content: 'C' }, { title: 'T', content: 'C', database: 'nowhere' }],
      ];
      for (const [method, foreignPath, missingPath, foreignBody, missingBody] of alike) {
        const foreign = await client.send(method, foreignPath, foreignBody);
        const missing = await client.send(method, missingPath, missingBody);
        expect(foreign.status).toBe(404);
        expect(anonymised(foreign.body)).toBe(anonymised(missing.body));
      }
      expect(await client.upload('# A file', 'a.md', { fields: { database_id: other } })).toMatchObject({ status: 404, body: { code: 'not_found' } });
      expect((await tenant.client.get(`/api/v1/documents/${theirs}`)).body.state).toBe('INGESTED');

      await ingestText(client, 'More', 'The heron flew.', { database: 'bound' });
      expect((await client.delete(`/api/v1/documents/${mine}`)).status).toBe(204);
    });

    it('make no database, which would be out of their own reach', async () => {
      const { client } = await createKey(tenant.client, ['read', 'write'], { database_ids: [bound.toUpperCase()] });
      expect(await client.post('/api/v1/databases', { name: 'beyond' })).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
      expect((await client.get(`/api/v1/databases/${bound}`)).status).toBe(200);
    });

    it('take effect at once when they are bound later', async () => {
      const key = await createKey(tenant.client, ['read']);
      expect((await key.client.get(`/api/v1/databases/${other}`)).status).toBe(200);
      expect((await tenant.client.patch(`${KEYS}/${key.id}`, { database_ids: [bound] })).body.database_ids).toEqual([bound]);
      expect((await key.client.get(`/api/v1/databases/${other}`)).status).toBe(404);
      expect((await tenant.client.patch(`${KEYS}/${key.id}`, { database_ids: null })).body.database_ids).toBeNull();
      expect((await key.client.get(`/api/v1/databases/${other}`)).status).toBe(200);
    });

    it('cannot be bound to a database that is missing or another tenant’s, which are refused alike', async () => {
      const stranger = await createTenant(server.anonymous);
      const foreignId = (await stranger.client.get('/api/v1/databases')).body.databases[0].id as string;
      const key = await createKey(tenant.client, ['read']);
      for (const [method, path] of [['POST', KEYS], ['PATCH', `${KEYS}/${key.id}`], ['PUT', `${KEYS}/${key.id}`]] as const) {
        const foreign = await tenant.client.send(method, path, { name: 'bound', database_ids: [bound, foreignId] });
        const missing = await tenant.client.send(method, path, { name: 'bound', database_ids: [NOWHERE] });
        expect(foreign).toMatchObject({ status: 404, body: { code: 'not_found' } });
        expect(anonymised(foreign.body)).toBe(anonymised(missing.body));
      }
      expect(await keysInUse()).toBe(1);
      expect((await tenant.client.get(`${KEYS}/${key.id}`)).body).toMatchObject({ database_ids: null });
    });
  });
});
