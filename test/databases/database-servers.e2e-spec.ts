import pg from 'pg';
import { ServerHealthChecks } from '../../src/databases/servers/server-health-checks.js';
import { JobRegistry } from '../../src/jobs/job-registry.js';
import type { Answer, ApiClient } from '../support/api-client.js';
import { createKey, createTenant, eventually, ingestText, waitForTask, type Tenant } from '../support/factories.js';
import { qdrantApiIsMissing, QdrantStub } from '../support/qdrant-stub.js';
import { TestApp } from '../support/test-app.js';
import { answerLikeChroma, answerLikeOldChroma, answerLikePostgres, answerLikeQdrant, RawServer, refusingPort } from '../support/vector-servers.js';
import { WebServer } from '../support/web-server.js';

const PATH = '/api/v1/database-servers';
const UNKNOWN = '019a0000-0000-7000-8000-00000000dead';
const SEALING_KEY = 'the-sealing-key-of-these-tests-0123456789';
/** Time limits are five seconds; the rest is what a busy machine needs. */
const PATIENT_MS = 8000;

/** The OpenAPI document describes them; here they are only read. */
type Json = any;

describe('database servers', () => {
  let server: TestApp;
  /** The same installation, for which no private address is named. */
  let strict: TestApp;
  let tenant: Tenant;
  let client: ApiClient;
  const stopped: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    server = await TestApp.start({ ROLE: 'api', OUTBOUND_ALLOW: '127.0.0.1,[::1],vectors.internal', SEALING_KEY });
    strict = await server.beside({ ROLE: 'api', SEALING_KEY });
    tenant = await createTenant(server.anonymous);
    client = tenant.client;
  });
  afterAll(async () => {
    await strict.app.close();
    await server.stop();
  });
  afterEach(() => Promise.all(stopped.splice(0).map((each) => each.stop())));

  let names = 0;
  const freshName = (): string => `server ${++names}`;

  async function website(): Promise<WebServer> {
    const site = await WebServer.start();
    stopped.push(site);
    return site;
  }
  async function raw(starting: Promise<RawServer>): Promise<RawServer> {
    const started = await starting;
    stopped.push(started);
    return started;
  }
  const portOf = (site: WebServer): number => Number(site.host.split(':')[1]);

  async function register(fields: object, owner = client): Promise<Json> {
    const { status, body } = await owner.post(PATH, { name: freshName(), type: 'QDRANT', host: '127.0.0.1', ...fields });
    if (status !== 201) throw new Error(`registering answered ${status}: ${JSON.stringify(body)}`);
    return body;
  }
  const tested = async (fields: object): Promise<Json> => {
    const { status, body } = await client.post(`${PATH}/test`, { type: 'QDRANT', host: '127.0.0.1', ...fields });
    expect(status).toBe(200);
    return body;
  };
  const checkAll = (): Promise<void> => server.app.get(ServerHealthChecks).run(new AbortController().signal);

  /** As a database that was made on it; none of the servers here is one that could hold a collection. */
  const PUT_DATABASE = `INSERT INTO databases SELECT (jsonb_populate_record(d, jsonb_build_object('id', gen_random_uuid(), 'name', 'on-' || substr(s.id::text, 25), 'server_id', s.id, 'server_type', s.type))).*
    FROM databases d JOIN database_servers s ON s.tenant_id = d.tenant_id AND s.id = $1 WHERE d.name = 'default'`;
  const putDatabaseOn = (id: string): Promise<unknown> => server.database.query(PUT_DATABASE, [id]);

  describe('are registered', () => {
    it('without being there yet, and shown without their secrets', async () => {
      const created = await client.post(PATH, {
        name: 'Frankfurt', type: 'PGVECTOR', host: '127.0.0.1', username: 'morag', password: 'p4ssw0rd', database: 'vectors', collection: 'main', config: { schema: 'morag', tls: true },
      });
      expect(created.status).toBe(201);
      expect(created.body).toEqual({
        id: expect.any(String), name: 'Frankfurt', type: 'PGVECTOR', host: '127.0.0.1', port: 5432, username: 'morag', database: 'vectors', collection: 'main', config: { schema: 'morag', tls: true },
        is_active: true, has_password: true, has_api_key: false, last_connected: null, health: 'unknown', health_error: null, health_checked_at: null, databases: 0,
        created_at: expect.any(String), updated_at: expect.any(String),
      });
      expect((await client.get(`${PATH}/${created.body.id}`)).body).toEqual(created.body);
    });

    it('newest first and page by page, the built-in one as the oldest', async () => {
      const other = await createTenant(server.anonymous);
      const made = [];
      for (const type of ['QDRANT', 'CHROMA']) made.unshift((await register({ type }, other.client)).id);
      const first = await other.client.get(`${PATH}?limit=2`);
      expect(first.body).toMatchObject({ database_servers: [{ id: made[0], port: 8000 }, { id: made[1], port: 6333 }], limit: 2, has_more: true });
      const second = await other.client.get(`${PATH}?limit=2&cursor=${first.body.next_cursor}`);
      expect(second.body).toMatchObject({ database_servers: [{ type: 'EMBEDDED', host: null, databases: 1, health: 'healthy' }], has_more: false, next_cursor: null });
      expect((await client.get(`${PATH}?cursor=${first.body.next_cursor}`)).body.code).toBe('invalid_cursor');
    });

    it('under one name each', async () => {
      const { id, name } = await register({});
      expect(await client.post(PATH, { name, type: 'CHROMA', host: '127.0.0.1' })).toMatchObject({ status: 409, body: { code: 'name_taken' } });
      const other = await register({});
      expect(await client.patch(`${PATH}/${other.id}`, { name })).toMatchObject({ status: 409, body: { code: 'name_taken' } });
      expect((await client.patch(`${PATH}/${id}`, { name })).status).toBe(200);
    });

    it('up to fifty, however many come at once', async () => {
      const other = await createTenant(server.anonymous);
      const answers = await Promise.all(Array.from({ length: 60 }, (_, at) => other.client.post(PATH, { name: `${at}`, type: 'QDRANT', host: '127.0.0.1' })));
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(49);
      expect(answers.filter(({ body }) => body.code === 'too_many_servers')).toHaveLength(11);
    });

    it.each([
      ['127.0.0.1:7000', {}, { host: '127.0.0.1', port: 7000, config: {} }],
      ['127.1', {}, { host: '127.0.0.1', port: 6333 }],
      ['http://127.0.0.1:80/', {}, { host: '127.0.0.1', port: 80, config: { tls: false } }],
      ['https://127.0.0.1:443', { config: { partitioned: true } }, { host: '127.0.0.1', port: 443, config: { tls: true, partitioned: true } }],
      ['https://127.0.0.1', { port: 6334, config: { tls: true } }, { host: '127.0.0.1', port: 6334, config: { tls: true } }],
      ['::1', { port: 1 }, { host: '::1', port: 1 }],
      ['[::1]:9', {}, { host: '::1', port: 9 }],
      // Named by the operator, and nowhere to be found until its container starts.
      ['Vectors.Internal', { port: null, username: null, config: null, password: null }, { host: 'vectors.internal', port: 6333, config: {}, has_password: false }],
    ])('however their address is written: %s', async (host, fields, expected) => {
      expect(await register({ host, ...fields })).toMatchObject(expected);
    });

    it.each([
      ['an unknown field', { secret: 'x' }],
      ['no host', { host: undefined }],
      ['a host of null', { host: null }],
      ['an empty host', { host: '' }],
      ['a host with a user', { host: 'http://user:hunter2@127.0.0.1' }],
      ['a host with a path', { host: 'http://127.0.0.1/v1' }],
      ['a host with a query', { host: '127.0.0.1?x' }],
      ['another scheme', { host: 'ftp://127.0.0.1' }],
      ['two ports', { host: '127.0.0.1:1', port: 2 }],
      ['two minds about TLS', { host: 'https://127.0.0.1', config: { tls: false } }],
      ['a URL for PostgreSQL', { type: 'PGVECTOR', host: 'http://127.0.0.1' }],
      ['a space in a host', { host: 'a b' }],
      ['a long host', { host: 'a'.repeat(301) }],
      ['port 0', { port: 0 }],
      ['port 65536', { port: 65_536 }],
      ['a port beyond, in the host', { host: '127.0.0.1:99999' }],
      ['a port as text', { port: '6333' }],
      ['another type', { type: 'MILVUS' }],
      ['an option of another kind', { config: { schema: 'x' } }],
      ['an option of every object', { config: { toString: true } }],
      ['an option of another type', { config: { tls: 'yes' } }],
      ['a schema that would have to be quoted', { type: 'PGVECTOR', config: { schema: 'a"; DROP' } }],
      ['a tenant with a slash', { type: 'CHROMA', config: { tenant: '../admin' } }],
      ['a list as config', { config: [] }],
      ['a large config', { config: { tls: 'x'.repeat(20_000) } }],
      ['a NUL in a name of a user', { username: 'a\0options' }],
      ['an empty password', { password: '' }],
      ['a huge password', { password: 'x'.repeat(5000) }],
      ['a key with a line break', { api_key: 'a\r\nx-admin: 1' }],
      ['a number as key', { api_key: 5 }],
      ['a switch as text', { is_active: 'true' }],
      ['half a character in a password', { password: 'a\uD800' }],
    ])('only when they make sense, and not with %s', async (_, fields) => {
      const { status, body } = await client.post(PATH, { name: freshName(), type: 'QDRANT', host: '127.0.0.1', ...fields });
      expect([status, body.code]).toEqual([400, expect.stringMatching(/validation_failed|malformed_request/)]);
      expect(JSON.stringify(body)).not.toContain('hunter2');
    });
  });

  describe('are reached only where any outbound address may lead', () => {
    const PLACES = ['127.0.0.1', '169.254.169.254', '[::1]', '0x7f000001', 'localhost', '10.0.0.1', '::ffff:127.0.0.1', 'nowhere.invalid', 'http://127.0.0.1:6333'];
    const seen = ({ status, body }: Answer<Json>): string => JSON.stringify([status, { ...body, request_id: '', instance: '', response_time_ms: 0 }]);

    it('whether they are saved, changed or tried, and without telling what is blocked from what is not there', async () => {
      const different = new Set<string>();
      const asked = strict.anonymous.asUser(tenant.token);
      const { id } = await register({ host: 'vectors.internal' });
      for (const host of PLACES) {
        const saved = await asked.post(PATH, { name: 'never', type: 'QDRANT', host });
        expect(saved).toMatchObject({ status: 422, body: { code: 'url_not_allowed' } });
        const changed = await asked.patch(`${PATH}/${id}`, { host });
        const tried = await asked.post(`${PATH}/test`, { type: 'CHROMA', host });
        expect(tried.body).toMatchObject({ success: false, server_info: null, error_details: { code: 'not_allowed' } });
        for (const answer of [saved, changed, tried]) different.add(seen(answer));
      }
      expect([...different]).toEqual([expect.stringContaining('"code":"url_not_allowed"'), expect.stringContaining('"code":"not_allowed"')]);
      expect((await asked.post(`${PATH}/test`, { type: 'PGVECTOR', host: '127.0.0.1' })).body.error_details.code).toBe('not_allowed');
    });

    it('also when they were saved while that was allowed', async () => {
      const site = await website();
      answerLikeQdrant(site);
      const { id } = await register({ port: portOf(site) });
      const answer = await strict.anonymous.asUser(tenant.token).post(`${PATH}/${id}/test`);
      expect(answer.body).toMatchObject({ success: false, error_details: { code: 'not_allowed' } });
      expect(site.requests).toHaveLength(0);
    });
  });

  describe('are tried', () => {
    it('and found good, with their version', async () => {
      const [qdrant, chroma] = [await website(), await website()];
      answerLikeQdrant(qdrant, { key: 'k' });
      answerLikeChroma(chroma, { key: 't', tenant: 'acme', database: 'docs' });
      expect(await tested({ port: portOf(qdrant), api_key: 'k' })).toEqual({
        success: true, message: expect.any(String), response_time_ms: expect.any(Number), server_info: { type: 'QDRANT', version: '1.19.0' }, error_details: null,
      });
      expect(await tested({ name: 'x', type: 'CHROMA', port: portOf(chroma), api_key: 't', database: 'docs', config: { tenant: 'acme' } })).toMatchObject({ success: true, server_info: { version: '1.0.0' } });
      expect(await tested({ type: 'EMBEDDED', host: undefined })).toMatchObject({ success: true, server_info: { type: 'EMBEDDED' } });
    });

    it.each(['QDRANT', 'CHROMA', 'PGVECTOR'])('and said to refuse, when nobody listens: %s', async (type) => {
      expect(await tested({ type, port: await refusingPort() })).toMatchObject({ success: false, server_info: null, error_details: { code: 'refused' } });
    });

    it('and said to take too long, within five seconds, whatever keeps them', async () => {
      const silent = await raw(RawServer.start(() => undefined));
      const dripping = await website();
      dripping.pages['/'] = dripping.pages['/api/v2/version'] = (_, response) => {
        const drip = setInterval(() => response.write(' '), 100);
        response.once('close', () => clearInterval(drip));
      };
      const start = performance.now();
      const answers = await Promise.all([
        ...['QDRANT', 'CHROMA', 'PGVECTOR'].map((type) => tested({ type, port: silent.port })),
        ...['QDRANT', 'CHROMA'].map((type) => tested({ type, port: portOf(dripping) })),
      ]);
      expect(answers.map(({ error_details }) => error_details.code)).toEqual(Array(5).fill('timeout'));
      expect(performance.now() - start).toBeLessThan(PATIENT_MS);
    }, 2 * PATIENT_MS);

    it('and said to refuse the credentials, when a key is wrong, or a password', async () => {
      const [qdrant, chroma] = [await website(), await website()];
      answerLikeQdrant(qdrant, { key: 'k' });
      answerLikeChroma(chroma, { key: 't' });
      const { hostname: host, port, pathname } = new URL(server.database.url);
      const answers = [
        await tested({ port: portOf(qdrant) }),
        await tested({ port: portOf(qdrant), api_key: 'wrong' }),
        await tested({ type: 'CHROMA', port: portOf(chroma), api_key: 'wrong' }),
        await tested({ type: 'PGVECTOR', host, port: Number(port), username: 'nobody', password: 'wrong', database: pathname.slice(1) }),
      ];
      expect(answers.map(({ error_details }) => error_details.code)).toEqual(Array(4).fill('unauthorized'));
      expect(JSON.stringify(answers)).not.toMatch(/internal|wrong"|nobody/);
    });

    it('and said to be too old', async () => {
      const [qdrant, chroma, old] = [await website(), await website(), await website()];
      answerLikeQdrant(qdrant, { version: '1.7.4' });
      answerLikeChroma(chroma, { version: '0.6.3' });
      answerLikeOldChroma(old, '0.4.24');
      const { hostname: host, port, username, password, pathname } = new URL(server.database.url);
      const answers = [
        await tested({ port: portOf(qdrant) }),
        await tested({ type: 'CHROMA', port: portOf(chroma) }),
        await tested({ type: 'CHROMA', port: portOf(old) }),
        // A PostgreSQL server without pgvector.
        await tested({ type: 'PGVECTOR', host, port: Number(port), username, password: decodeURIComponent(password), database: pathname.slice(1) }),
      ];
      expect(answers.map(({ error_details }) => error_details.code)).toEqual(Array(4).fill('wrong_version'));
      expect(answers.map(({ message }) => message).join(' ')).toMatch(/1\.7\.4.*0\.6\.3.*0\.4\.24.*pgvector/);
    });

    it('and said to have no certificate that is trusted, or to speak no TLS', async () => {
      const secure = await raw(RawServer.startTls((_, response) => response.end('{}')));
      const plain = await website();
      answerLikeQdrant(plain);
      const { hostname: host, port } = new URL(server.database.url);
      const answers = [
        await tested({ port: secure.port, config: { tls: true } }),
        await tested({ type: 'CHROMA', host: `https://127.0.0.1:${secure.port}` }),
        await tested({ port: portOf(plain), config: { tls: true } }),
        await tested({ type: 'PGVECTOR', host, port: Number(port), config: { tls: true } }),
      ];
      expect(answers.map(({ error_details }) => error_details.code)).toEqual(Array(4).fill('tls'));
      expect((await tested({ port: secure.port })).success).toBe(false);
    });

    it('and said to be something else, when they redirect, talk nonsense or never end', async () => {
      const elsewhere = await website();
      answerLikeQdrant(elsewhere, { key: 'k' });
      const site = await website();
      site.pages['/'] = (_, response) => response.writeHead(302, { location: elsewhere.url('/') }).end();
      expect((await tested({ port: portOf(site), api_key: 'k' })).error_details.code).toBe('unexpected');
      expect(elsewhere.requests).toHaveLength(0);

      const block = Buffer.alloc(64 * 1024, 0x61);
      const endless: WebServer['pages'][string] = (_, response) => {
        const more = (): void => void (response.writable && response.write(block, more));
        more();
      };
      const bodies: (string | Buffer)[] = ['', '<html>', '[]', 'null', '"1.19.0"', '{"title":"qdrant","version":"<script>alert(1)</script>"}', '{"title":5,"version":"1.19.0"}', '{'.repeat(60_000), Buffer.from([0xff, 0xfe, 0])];
      for (const body of bodies) {
        site.serve('/', body);
        expect([body, (await tested({ port: portOf(site) })).error_details]).toEqual([body, { code: 'unexpected', message: expect.not.stringContaining('script') }]);
      }
      site.pages['/'] = site.pages['/api/v2/version'] = endless;
      for (const type of ['QDRANT', 'CHROMA']) expect((await tested({ type, port: portOf(site) })).error_details.code).toBe('unexpected');
      for (const state of ['42P01', 'XX000', '3D000']) {
        const lying = await raw(RawServer.start((socket) => answerLikePostgres(socket, state, '<script>')));
        expect((await tested({ type: 'PGVECTOR', port: lying.port })).error_details).toEqual({ code: 'unexpected', message: expect.not.stringContaining('script') });
      }
      const noise = await raw(RawServer.start((socket) => void socket.end('\0\0\0 this is no protocol at all\n')));
      for (const type of ['QDRANT', 'CHROMA', 'PGVECTOR']) expect((await tested({ type, port: noise.port })).error_details.code).toMatch(/unexpected|refused/);
    });

    it('and, when they are saved, remembered as they were found', async () => {
      const site = await website();
      answerLikeQdrant(site);
      const { id } = await register({ port: portOf(site) });
      expect((await client.post(`${PATH}/${id}/test`)).body.success).toBe(true);
      const good = (await client.get(`${PATH}/${id}`)).body;
      expect(good).toMatchObject({ health: 'healthy', health_error: null, health_checked_at: expect.any(String), last_connected: expect.any(String), updated_at: good.created_at });
      answerLikeQdrant(site, { version: '1.0.0' });
      const answer = (await client.post(`${PATH}/${id}/test`)).body;
      expect((await client.get(`${PATH}/${id}`)).body).toMatchObject({ health: 'unhealthy', health_error: answer.error_details, last_connected: good.last_connected });
    });
  });

  describe('have secrets', () => {
    it('that are kept when a change omits them, replaced when it names them and removed by null', async () => {
      const site = await website();
      answerLikeQdrant(site);
      const { id } = await register({ port: portOf(site), api_key: 'first-key', password: 'a-password' });
      const keySent = async (): Promise<unknown> => {
        await client.post(`${PATH}/${id}/test`);
        return site.requests.at(-1)!.headers['api-key'];
      };
      expect(await keySent()).toBe('first-key');
      for (const method of ['PUT', 'PATCH']) expect((await client.send(method, `${PATH}/${id}`, { name: freshName(), config: {} })).body).toMatchObject({ has_api_key: true, has_password: true });
      expect(await keySent()).toBe('first-key');
      expect((await client.patch(`${PATH}/${id}`, { api_key: 'second-key' })).body).toMatchObject({ has_api_key: true, health: 'unknown' });
      expect(await keySent()).toBe('second-key');
      expect((await client.put(`${PATH}/${id}`, { api_key: null })).body).toMatchObject({ has_api_key: false, has_password: true });
      expect(await keySent()).toBeUndefined();
    });

    it('that are in no answer, no log and not in the table', async () => {
      const secrets = ['Zg7pass-word', 'Zg7api-key', 'Zg7unsaved'];
      const loud = await server.processBeside({ OUTBOUND_ALLOW: '127.0.0.1', SEALING_KEY, LOG_LEVEL: 'trace' });
      try {
        const asked = loud.client.asUser(tenant.token);
        const fields = { name: freshName(), type: 'QDRANT', host: '127.0.0.1', port: await refusingPort(), password: secrets[0], api_key: secrets[1] };
        const created = await asked.post(PATH, fields);
        const at = `${PATH}/${created.body.id}`;
        const answers = [
          created,
          await asked.post(PATH, fields),
          await asked.get(at),
          await asked.get(PATH),
          await asked.patch(at, { password: secrets[0], api_key: secrets[1], is_active: false }),
          await asked.post(`${at}/test`),
          await asked.post(`${PATH}/test`, { ...fields, api_key: secrets[2], password: secrets[2] }),
          await asked.post(PATH, { ...fields, password: [secrets[0]], api_key: { secret: secrets[1] } }),
        ];
        expect(answers.map(({ status }) => status)).toEqual([201, 409, 200, 200, 200, 200, 200, 400]);
        const table = await server.database.query<{ row: string; password: Buffer | null; api_key: Buffer | null }>('SELECT s::text AS row, password, api_key FROM database_servers s');
        expect(table.length).toBeGreaterThan(0);
        const sealed = table.flatMap(({ password, api_key }) => [password, api_key]).filter((each) => each !== null);
        const everything = JSON.stringify([answers.map(({ body }) => body), table.map(({ row }) => row), sealed.map((each) => each.toString('latin1'))]) + loud.printed;
        expect(sealed.length).toBeGreaterThan(1);
        expect(loud.printed).toContain('/api/v1/database-servers');
        for (const secret of secrets) expect(everything.includes(secret)).toBe(false);
        for (const secret of secrets) expect(everything.includes(Buffer.from(secret).toString('hex'))).toBe(false);
      } finally {
        await loud.end();
      }
    });

    it('that are told to be unreadable when the installation lost its key, and are good again with the former one or a new secret', async () => {
      const site = await website();
      answerLikeQdrant(site, { key: 'k' });
      const { id } = await register({ port: portOf(site), api_key: 'k' });
      const pgvector = await register({ type: 'PGVECTOR', password: 'p' });
      const env = { ROLE: 'api', OUTBOUND_ALLOW: '127.0.0.1', SEALING_KEY: 'another-sealing-key-of-these-tests-98765' } as const;
      const [lost, rotated] = [await server.beside(env), await server.beside({ ...env, SEALING_KEY_PREVIOUS: SEALING_KEY })];
      try {
        const asked = lost.anonymous.asUser(tenant.token);
        expect((await asked.post(`${PATH}/${id}/test`)).body).toMatchObject({ success: false, error_details: { code: 'secret_unreadable', message: expect.stringContaining('SEALING_KEY_PREVIOUS') } });
        expect((await asked.get(`${PATH}/${id}`)).body).toMatchObject({ health: 'unhealthy', has_api_key: true });
        expect(await asked.post('/api/v1/databases', { name: 'unreadable', server_id: pgvector.id })).toMatchObject({ status: 409, body: { code: 'secret_unreadable' } });
        expect((await rotated.anonymous.asUser(tenant.token).post(`${PATH}/${id}/test`)).body.success).toBe(true);
        await asked.patch(`${PATH}/${id}`, { api_key: 'k' });
        expect((await asked.post(`${PATH}/${id}/test`)).body.success).toBe(true);
      } finally {
        await lost.app.close();
        await rotated.app.close();
      }
    });
  });

  describe('change', () => {
    it('in what is named only, and nobody knows their health then', async () => {
      const site = await website();
      answerLikeQdrant(site);
      const { id } = await register({ port: portOf(site), username: 'u', config: { partitioned: true } });
      await client.post(`${PATH}/${id}/test`);
      const renamed = (await client.patch(`${PATH}/${id}`, { name: freshName() })).body;
      expect(renamed).toMatchObject({ health: 'healthy', port: portOf(site), username: 'u', config: { partitioned: true } });
      const moved = (await client.patch(`${PATH}/${id}`, { host: 'https://127.0.0.1', username: null, collection: 'c' })).body;
      expect(moved).toMatchObject({ health: 'unknown', health_checked_at: null, last_connected: renamed.last_connected, port: portOf(site), username: null, collection: 'c', config: { partitioned: true, tls: true } });
      expect((await client.patch(`${PATH}/${id}`, { port: null, config: null })).body).toMatchObject({ port: 6333, config: {} });
      expect((await client.patch(`${PATH}/${id}`, { host: null })).body).toMatchObject({ status: 400 });
      expect((await client.patch(`${PATH}/${id}`, { type: 'PGVECTOR', config: { partitioned: true } })).body).toMatchObject({ status: 400, errors: [{ field: 'config.partitioned' }] });
      expect((await client.patch(`${PATH}/${id}`, { type: 'PGVECTOR' })).body).toMatchObject({ type: 'PGVECTOR', port: 6333 });
      expect((await client.patch(`${PATH}/${UNKNOWN}`, { name: 'x' })).status).toBe(404);
    });

    it('by everybody who changes them at once', async () => {
      const { id } = await register({ type: 'PGVECTOR', password: 'p' });
      const changes = [{ port: 1 }, { username: 'u' }, { database: 'd' }, { collection: 'c' }, { config: { schema: 's' } }, { host: '::1' }, { is_active: false }, { api_key: 'k' }, { password: null }];
      const answers = await Promise.all(changes.map((change) => client.patch(`${PATH}/${id}`, change)));
      expect(answers.map(({ status }) => status)).toEqual(Array(changes.length).fill(200));
      expect((await client.get(`${PATH}/${id}`)).body).toMatchObject({ port: 1, username: 'u', database: 'd', collection: 'c', config: { schema: 's' }, host: '::1', is_active: false, has_api_key: true, has_password: false });
    });

    it('not in where they are, while a database is on them', async () => {
      const { id } = await register({ type: 'CHROMA', database: 'd', config: { tenant: 't' } });
      await putDatabaseOn(id);
      for (const change of [{ host: '::1' }, { port: 1 }, { host: '127.0.0.1:1' }, { database: null }, { type: 'QDRANT', config: {} }, { config: {} }, { config: { tenant: 'other' } }]) {
        expect([change, await client.patch(`${PATH}/${id}`, change)]).toMatchObject([change, { status: 409, body: { code: 'resource_in_use' } }]);
      }
      const rest = { name: freshName(), password: 'p', api_key: 'k', username: 'u', is_active: false, collection: 'c', config: { tenant: 't', tls: true } };
      const same = { type: 'CHROMA', host: '127.0.0.1', port: 8000, database: 'd' };
      expect((await client.put(`${PATH}/${id}`, { ...rest, ...same })).body).toMatchObject({ ...same, name: rest.name, is_active: false, databases: 1, config: { tls: true } });
    });

    it('not at all when they are built in, but for their name', async () => {
      const other = await createTenant(server.anonymous);
      const embedded = (await other.client.get(PATH)).body.database_servers[0];
      const at = `${PATH}/${embedded.id}`;
      for (const change of [{ type: 'QDRANT', host: '127.0.0.1' }, { host: '127.0.0.1' }, { port: 1 }, { password: 'p' }, { api_key: 'k' }, { is_active: false }, { config: { tls: true } }]) {
        expect([change, await other.client.patch(at, change)]).toMatchObject([change, { status: 409, body: { code: 'built_in_server' } }]);
      }
      const { name: _, type, host, port, is_active, config } = embedded;
      expect((await other.client.put(at, { name: 'At home', type, host, port, is_active, config })).body).toMatchObject({ name: 'At home', health: 'healthy', last_connected: expect.any(String) });
      expect((await other.client.post(`${at}/test`)).body).toMatchObject({ success: true, server_info: { type: 'EMBEDDED' }, error_details: null });
      expect(await other.client.post(PATH, { name: 'second', type: 'EMBEDDED' })).toMatchObject({ status: 409, body: { code: 'built_in_server' } });
      expect(await other.client.delete(at)).toMatchObject({ status: 409, body: { code: 'built_in_server' } });
      const { id } = await register({}, other.client);
      expect(await other.client.patch(`${PATH}/${id}`, { type: 'EMBEDDED' })).toMatchObject({ status: 409, body: { code: 'built_in_server' } });
    });
  });

  describe('end', () => {
    it('when no database is on them', async () => {
      const { id } = await register({});
      await putDatabaseOn(id);
      expect(await client.delete(`${PATH}/${id}`)).toMatchObject({ status: 409, body: { code: 'resource_in_use', databases: 1 } });
      await server.database.query('DELETE FROM databases WHERE server_id = $1', [id]);
      expect((await client.delete(`${PATH}/${id}`)).status).toBe(204);
      for (const answer of [await client.get(`${PATH}/${id}`), await client.delete(`${PATH}/${id}`), await client.post(`${PATH}/${id}/test`)]) expect(answer.status).toBe(404);
    });

    it('not when one is just being made there', async () => {
      const { id } = await register({});
      const making = new pg.Client({ connectionString: server.database.superuserUrl });
      await making.connect();
      try {
        await making.query('BEGIN');
        await making.query(PUT_DATABASE, [id]);
        const removal = client.delete(`${PATH}/${id}`);
        await eventually(() => server.database.query(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`), (waiting) => waiting.length > 0);
        await making.query('COMMIT');
        expect(await removal).toMatchObject({ status: 409, body: { code: 'resource_in_use' } });
      } finally {
        await making.end();
      }
    });

    it('or not, beside somebody who makes a database there, but never half', async () => {
      const port = await refusingPort();
      for (let round = 0; round < 5; round++) {
        const { id } = await register({ type: 'PGVECTOR', port });
        const [made, removed] = await Promise.all([client.post('/api/v1/databases', { name: `race-${round}`, server_id: id }), client.delete(`${PATH}/${id}`)]);
        expect([404, 503]).toContain(made.status);
        expect([204, 409]).toContain(removed.status);
        expect((await client.get(`${PATH}/${id}`)).status).toBe(removed.status === 204 ? 404 : 200);
      }
    });
  });

  (qdrantApiIsMissing ? it.skip : it)('hold databases, and what is changed about how they are reached holds for the next request', async () => {
    const qdrant = await QdrantStub.start({ apiKey: 'right' });
    stopped.push(qdrant);
    const working = await server.beside({ ROLE: 'all', OUTBOUND_ALLOW: '127.0.0.1', SEALING_KEY });
    try {
      const asked = working.anonymous.asUser(tenant.token);
      const { id } = await register({ host: qdrant.url, api_key: 'right' });
      const database = (await asked.post('/api/v1/databases', { name: 'far-away', server_id: id })).body;
      await ingestText(asked, 'Fossils', 'The quetzalcoatlus could fly.', { database_id: database.id });
      const search = (): Promise<Answer<Json>> => asked.post('/api/v1/search', { query: 'quetzalcoatlus', databases: ['far-away'] });
      expect((await search()).body.results).toHaveLength(1);
      expect((await asked.get(`${PATH}/${id}`)).body.databases).toBe(1);
      await asked.patch(`${PATH}/${id}`, { is_active: false });
      expect((await search()).body).toMatchObject({ code: 'server_inactive' });
      const late = await asked.post('/api/v1/ingest/text', { title: 'Late', content: 'The ichthyosaur could swim.', database_id: database.id });
      expect(await waitForTask(asked, late.body.task_id)).toMatchObject({ status: 'failed', error: expect.stringMatching(/^server_inactive: /) });
      await asked.patch(`${PATH}/${id}`, { is_active: true, api_key: 'wrong' });
      expect((await search()).status).toBe(503);
      await asked.patch(`${PATH}/${id}`, { api_key: 'right' });
      expect((await search()).body.results).toHaveLength(1);
      expect(await asked.delete(`${PATH}/${id}`)).toMatchObject({ status: 409, body: { code: 'resource_in_use' } });
    } finally {
      await working.app.close();
    }
  });

  it('are only read with a key that is bound to databases, and not changed by a viewer', async () => {
    const databases = (await client.get('/api/v1/databases')).body.databases;
    const bound = (await createKey(client, ['read', 'write'], { database_ids: [databases[0].id] })).client;
    const { id } = await register({});
    expect((await bound.get(PATH)).status).toBe(200);
    expect((await bound.get(`${PATH}/${id}`)).body.id).toBe(id);
    const fields = { name: 'x', type: 'QDRANT', host: '127.0.0.1' };
    const refused = [
      await bound.post(PATH, fields), await bound.post(`${PATH}/test`, fields), await bound.post(`${PATH}/${id}/test`), await bound.patch(`${PATH}/${id}`, { name: 'x' }), await bound.put(`${PATH}/${id}`, {}),
      await bound.delete(`${PATH}/${id}`), await (await createKey(client, ['read'])).client.post(PATH, fields),
    ];
    for (const answer of refused) expect(answer).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
    for (const answer of [await bound.get(`${PATH}/${UNKNOWN}`), await bound.patch(`${PATH}/${UNKNOWN}`, {}), await bound.delete(`${PATH}/${UNKNOWN}`)]) expect(answer.status).toBe(404);
  });

  describe('are watched', () => {
    it('by the clock, in every installation', () => {
      expect(server.app.get(JobRegistry).schedules).toContainEqual(expect.objectContaining({ name: 'check-database-servers', cron: '* * * * *' }));
    });

    it('and their health is what was found last, looked at again only when it is time', async () => {
      const site = await website();
      answerLikeQdrant(site);
      const [good, bad, off] = [await register({ port: portOf(site) }), await register({ port: await refusingPort() }), await register({ port: portOf(site), is_active: false })];
      await checkAll();
      const seen = async (id: string): Promise<Json> => (await client.get(`${PATH}/${id}`)).body;
      const found = await seen(good.id);
      expect(found).toMatchObject({ health: 'healthy', health_error: null, last_connected: expect.any(String) });
      expect(await seen(bad.id)).toMatchObject({ health: 'unhealthy', health_error: { code: 'refused' }, last_connected: null });
      expect(await seen(off.id)).toMatchObject({ health: 'unknown', health_checked_at: null });
      const asked = site.requests.length;
      await checkAll();
      expect(site.requests).toHaveLength(asked);
      expect(await seen(good.id)).toEqual(found);
      site.pages['/'] = (_, response) => response.writeHead(500).end();
      await server.database.query(`UPDATE database_servers SET health_checked_at = now() - interval '1 minute' WHERE id = $1`, [good.id]);
      await checkAll();
      expect(await seen(good.id)).toMatchObject({ health: 'unhealthy', health_error: { code: 'unexpected' }, last_connected: found.last_connected });
    });

    it('but not those of a tenant that is suspended', async () => {
      const site = await website();
      answerLikeQdrant(site);
      const other = await createTenant(server.anonymous);
      await register({ port: portOf(site) }, other.client);
      await server.database.query(`UPDATE tenants SET status = 'suspended' WHERE id = $1`, [other.tenantId]);
      await checkAll();
      expect(site.requests).toHaveLength(0);
    });

    it('and what was found before a change does not count after it', async () => {
      const site = await website();
      let answer: (() => void) | undefined;
      site.pages['/'] = (_, response) => void (answer = () => response.writeHead(500).end());
      const { id } = await register({ port: portOf(site) });
      const checked = client.post(`${PATH}/${id}/test`);
      await site.received(1);
      await client.patch(`${PATH}/${id}`, { api_key: 'k' });
      answer!();
      expect((await checked).body.success).toBe(false);
      expect((await client.get(`${PATH}/${id}`)).body).toMatchObject({ health: 'unknown', health_error: null, health_checked_at: null });
    });

    it('and many that do not answer keep nobody else’s waiting', async () => {
      const silent = await raw(RawServer.start(() => undefined));
      const site = await website();
      answerLikeQdrant(site);
      const [slow, quick] = [await createTenant(server.anonymous), await createTenant(server.anonymous)];
      for (let count = 0; count < 20; count++) await register({ port: silent.port }, slow.client);
      const { id } = await register({ port: portOf(site) }, quick.client);
      // All that the other tests have left would take a busy machine longer than the first four of these their five seconds.
      await server.database.query('UPDATE database_servers SET health_checked_at = now() WHERE tenant_id <> ALL ($1)', [[slow.tenantId, quick.tenantId]]);
      const run = checkAll();
      await eventually(async () => (await quick.client.get(`${PATH}/${id}`)).body.health as string, (health) => health === 'healthy');
      expect(silent.connections).toBeLessThanOrEqual(4);
      await client.delete(`${PATH}/${id}`);
      silent.refuse();
      await run;
    });
  });
});
