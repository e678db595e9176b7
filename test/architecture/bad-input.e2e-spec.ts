import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import type { Answer, ApiClient } from '../support/api-client.js';
import { administrator, createKey, createTenant, PASSWORD, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

const NOWHERE = '00000000-0000-7000-8000-000000000000';
const naughty = JSON.parse(readFileSync('test/fixtures/blns.json', 'utf8')) as string[];

/** Each costs a hash, a collection, a job or a search, so a sample has to do; other places take other ones. */
const everyNth = (n: number): string[] => naughty.filter((_, index) => index % n === 1);

/** Strings that lists of naughty ones leave out, because JSON files hold them badly. */
const UNSTORABLE = ['a\0b', '\0', '\ud800', 'a\udc00b', '\udfff\ud800'];

const SNAKE_CASE = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;

/** Every refusal is a whole problem document that gives nothing of the inside away; a success is none of our business. */
function expectCivil(answer: Answer<Record<string, unknown>>, sent: string): void {
  const { status, headers, body } = answer;
  if (status < 400) return;
  expect(`${status} to ${sent}`).toMatch(/^4/);
  expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  expect(body).toMatchObject({ type: expect.any(String), title: expect.any(String), status, detail: expect.any(String), instance: expect.any(String), retryable: expect.any(Boolean) });
  expect(body['code']).toMatch(SNAKE_CASE);
  expect(body['request_id']).toBe(headers.get('x-request-id'));
  expect(JSON.stringify({ ...body, instance: '' })).not.toMatch(/node_modules|at \w+ \(|SELECT |INSERT |\/work\/|undefined|\[object Object\]/);
}

/** Calls `send` for each item, eight at once. */
async function forAll<Item>(items: readonly Item[], send: (item: Item, index: number) => Promise<void>): Promise<void> {
  const queue = items.entries();
  const lane = async (): Promise<void> => {
    for (const [index, item] of queue) await send(item, index);
  };
  await Promise.all(Array.from({ length: 8 }, lane));
}

const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

describe('bad input', () => {
  let server: TestApp;
  let tenant: Tenant;
  let client: ApiClient;

  beforeAll(async () => {
    server = await TestApp.start();
    const admin = await administrator(server);
    tenant = await createTenant(server.anonymous);
    client = tenant.client;
    const unlimited = ['api_calls_per_hour', 'documents', 'databases', 'api_keys'].map((resource_type) => ({ resource_type, limit: null }));
    expect((await admin.patch(`/admin/tenants/${tenant.tenantId}`, { quotas: unlimited })).status).toBe(200);
  });
  afterEach(async () => {
    // Whatever came in, the server still does its work and nobody's prototype has grown.
    expect((await client.get('/auth/me')).status).toBe(200);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
  afterAll(() => server.stop());

  describe('a body', () => {
    const POSTS: [path: string, good: Record<string, unknown>][] = [
      ['/auth/register', { name: 'Ada', email: 'ada@example.com', password: PASSWORD }],
      ['/auth/login', { email: 'ada@example.com', password: PASSWORD }],
      ['/api/v1/api-keys', { name: 'key' }],
      ['/api/v1/databases', { name: 'database', description: 'text' }],
      ['/api/v1/ingest/text', { title: 'Title', content: 'Content' }],
      ['/api/v1/ingest/url', { url: 'http://nowhere.invalid/' }],
      ['/api/v1/ingest/batch', { items: [{ title: 'Title', content: 'Content of an item' }] }],
      ['/process/url', { url: 'http://nowhere.invalid/' }],
      ['/process/chunks', { content: 'Content' }],
      ['/api/v1/search', { query: 'query', top_k: 5 }],
      ['/auth/change-password', { current_password: PASSWORD, new_password: PASSWORD }],
    ];

    const MALFORMED: [what: string, body: string | Uint8Array<ArrayBuffer>][] = [
      ['nothing', ''],
      ['an open brace', '{'],
      ['a trailing comma', '{"name":"x",}'],
      ['single quotes', "{'name':'x'}"],
      ['half a string', '{"name":"x'],
      ['two documents', '{}{}'],
      ['NaN', '{"name":NaN}'],
      ['bytes that are no UTF-8', Uint8Array.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
      ['a raw NUL', '{"name":"a\0b"}'],
      ['HTML', '<html></html>'],
    ];
    it.each(MALFORMED)('of %s is malformed, and said to be so', async (_, body) => {
      for (const [path] of POSTS) {
        const answer = await client.send('POST', path, body, { 'content-type': 'application/json' });
        expect(answer).toMatchObject({ status: 400 });
        expectCivil(answer, path);
      }
    });

    it.each(['null', '[]', '[{}]', '"text"', '1', 'true', '[[[]]]'])('of JSON that is no object (%s) is refused', async (body) => {
      for (const [path] of POSTS) {
        const answer = await client.send('POST', path, body, { 'content-type': 'application/json' });
        expect(answer).toMatchObject({ status: 400, body: { code: expect.stringMatching(/^(validation_failed|malformed_request)$/) } });
        expectCivil(answer, `${path} ${body}`);
      }
    });

    it.each(['text/plain', 'application/xml', 'text/html; charset=utf-8', 'application/octet-stream', 'application/json-seq', 'x', ''])('of content type %p is an unsupported one', async (type) => {
      for (const [path, good] of POSTS) {
        const answer = await client.send('POST', path, JSON.stringify(good), { 'content-type': type });
        expect(answer).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } });
        expectCivil(answer, `${path} as ${type}`);
      }
    });

    it('of a form where JSON is expected, or the reverse, is refused', async () => {
      const form = new FormData();
      form.set('title', 'T');
      for (const [path] of POSTS) {
        const answer = await client.send('POST', path, form);
        expect([400, 415]).toContain(answer.status);
        expectCivil(answer, path);
      }
      expect(await client.post('/api/v1/ingest/file', { file: 'text' })).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } });
      const headless = await client.send('POST', '/api/v1/ingest/file', 'no boundary', { 'content-type': 'multipart/form-data' });
      expect([400, 415]).toContain(headless.status);
      expectCivil(headless, 'multipart without a boundary');
    });

    const WRONG_TYPES: unknown[] = [null, 1, -1, 1.5, 1e308, true, '', [], [null], {}, { toString: 'x' }, [[['x']]], { length: 5 }, { $gt: '' }, '\0', 'x'.repeat(5000)];
    it.each(POSTS)('to %s with any field of any wrong type is refused or understood, never a failure', async (path, good) => {
      // Their sessions and the limits on sign-ins are for others to test.
      const fields = path === '/auth/change-password' ? ['new_password'] : Object.keys(good);
      for (const field of fields) {
        for (const value of WRONG_TYPES) {
          const answer = await client.post(path, { ...good, [field]: value });
          if (path === '/auth/login' && answer.status === 429) continue;
          expectCivil(answer, `${path} ${field}=${JSON.stringify(value).slice(0, 60)}`);
        }
      }
    });

    const OPTIONAL: [string, string, string[]][] = [
      ['POST', '/api/v1/api-keys', ['description', 'permissions', 'environment', 'expires_at', 'rate_limit_per_hour', 'allowed_ips', 'database_ids', 'metadata']],
      ['POST', '/api/v1/ingest/url', ['database_id', 'database', 'metadata', 'chunk_size', 'chunk_overlap', 'chunking_strategy', 'title']],
      ['POST', '/api/v1/ingest/batch', ['database_id', 'database', 'metadata', 'chunk_size', 'chunk_overlap', 'chunking_strategy']],
      ['POST', '/api/v1/ingest/text', ['database_id', 'database', 'metadata', 'chunk_size', 'chunk_overlap', 'chunking_strategy', 'content_type']],
      ['POST', '/process/chunks', ['chunk_size', 'chunk_overlap', 'chunking_strategy', 'content_type']],
      ['POST', '/api/v1/search', ['mode', 'database_ids', 'databases', 'document_ids', 'top_k']],
      ['PUT', '/auth/me', ['name', 'email', 'avatar']],
      ['PUT', '/auth/settings', ['theme', 'language', 'notifications', 'auto_save', 'default_database']],
    ];
    it.each(OPTIONAL)('to %s %s with any optional field of any wrong type is refused or understood', async (method, path, fields) => {
      const good = Object.fromEntries(POSTS)[path] ?? {};
      for (const field of fields) {
        for (const [index, value] of WRONG_TYPES.entries()) {
          const unique = 'name' in good ? { name: `${field} ${index}` } : 'content' in good ? { content: `${field} ${index}` } : {};
          expectCivil(await client.send(method, path, { ...good, ...unique, [field]: value }), `${method} ${path} ${field}=${JSON.stringify(value).slice(0, 60)}`);
        }
      }
      expect((await client.put('/auth/settings', { default_database: 'default' })).status).toBe(200);
    });

    it('of more than 4 MiB is too large, and one just below is read', async () => {
      const large = JSON.stringify({ title: 'Large', content: 'x'.repeat(5 * 1024 * 1024) });
      for (const [path] of POSTS) {
        const answer = await client.send('POST', path, large, { 'content-type': 'application/json' });
        expect(answer).toMatchObject({ status: 413, body: { code: 'payload_too_large' } });
        expectCivil(answer, path);
      }
      expect((await client.post('/api/v1/ingest/text', { title: 'Just', content: 'word '.repeat(100_000) })).status).toBe(202);
    });

    it.each([50, 5_000, 100_000, 600_000])('nested %i deep is refused or understood, wherever it stands', async (depth) => {
      const deep = nested(depth);
      for (const [path, body] of [
        ['/auth/login', deep],
        ['/api/v1/api-keys', `{"name":"deep ${depth}","metadata":${deep}}`],
        ['/api/v1/ingest/text', `{"title":"deep","content":"deep ${depth}","metadata":${deep}}`],
        ['/api/v1/ingest/batch', `{"items":[{"title":"deep","content":"deep ${depth}","metadata":${deep}}]}`],
        ['/api/v1/ingest/batch', `{"items":${'['.repeat(depth)}${']'.repeat(depth)}}`],
        ['/api/v1/search', `{"query":${deep}}`],
        ['/api/v1/search', `{"query":"x","document_ids":${'['.repeat(depth)}${']'.repeat(depth)}}`],
      ] as const) {
        expectCivil(await client.send('POST', path, body, { 'content-type': 'application/json' }), `${path} ${depth} deep`);
      }
      // A field of a form has a limit of its own.
      expectCivil(await client.upload(`# Deep ${depth}`, 'deep.md', { fields: { metadata: nested(Math.min(depth, 40_000)) } }), `form ${depth} deep`);
    });

    it.each([
      '{"__proto__":{"polluted":true}}',
      '{"constructor":{"prototype":{"polluted":true}}}',
      '{"name":"p1","metadata":{"__proto__":{"polluted":true}}}',
      '{"name":"p2","metadata":{"constructor":{"prototype":{"polluted":true}}}}',
      '{"name":"p3","\\u005f_proto__":{"polluted":true}}',
      '{"query":"x","title":"x","content":"x","toString":"x","hasOwnProperty":1,"valueOf":null}',
    ])('that reaches for a prototype is refused: %s', async (body) => {
      for (const [path] of POSTS) {
        const answer = await client.send('POST', path, body, { 'content-type': 'application/json' });
        expect(answer.status).toBe(400);
        expectCivil(answer, path);
      }
    });

    it('of a form whose metadata reaches for a prototype changes none', async () => {
      for (const metadata of ['{"__proto__":{"polluted":true}}', '{"constructor":{"prototype":{"polluted":true}}}']) {
        expectCivil(await client.upload(`# P ${metadata}`, 'p.md', { fields: { metadata } }), metadata);
      }
      for (const field of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
        const answer = await client.upload('# Field', 'f.md', { fields: { [field]: '{"polluted":true}' } });
        expect(answer.status).toBe(400);
        expectCivil(answer, field);
      }
    });

    it.each(UNSTORABLE)('with text that cannot be stored (%j) is refused or kept, never a failure', async (text) => {
      for (const answer of [
        await server.anonymous.post('/auth/register', { name: `${text}xx`, email: `u${UNSTORABLE.indexOf(text)}@example.com`, password: PASSWORD }),
        await server.anonymous.post('/auth/register', { name: 'Password', email: `p${UNSTORABLE.indexOf(text)}@example.com`, password: `${PASSWORD}${text}` }),
        await server.anonymous.post('/auth/login', { email: `${text}@example.com`, password: PASSWORD }),
        await client.put('/auth/me', { name: `${text}xx` }),
        await client.post('/api/v1/api-keys', { name: `${text}x` }),
        await client.post('/api/v1/api-keys', { name: `meta ${JSON.stringify(text)}`, metadata: { value: text } }),
        await client.post('/api/v1/api-keys', { name: `meta key ${JSON.stringify(text)}`, metadata: { [text]: 1 } }),
        await client.post('/api/v1/databases', { name: `d${UNSTORABLE.indexOf(text)}`, description: text }),
        await client.post('/api/v1/ingest/text', { title: `${text}x`, content: `title ${JSON.stringify(text)}` }),
        await client.post('/api/v1/ingest/text', { title: 'x', content: `content ${text}` }),
        await client.post('/api/v1/ingest/text', { title: 'x', content: `metadata ${JSON.stringify(text)}`, metadata: { value: text } }),
        await client.upload(`# U ${JSON.stringify(text)}`, 'u.md', { fields: { metadata: JSON.stringify({ value: text }) } }),
        await client.post('/api/v1/search', { query: `${text}x` }),
        await client.post('/api/v1/search', { query: 'x', databases: [text] }),
      ]) {
        expectCivil(answer, JSON.stringify(text));
      }
    });
  });

  describe('an address', () => {
    const BY_ID: [method: string, path: string][] = [
      ['GET', '/api/v1/api-keys/'],
      ['PATCH', '/api/v1/api-keys/'],
      ['DELETE', '/api/v1/api-keys/'],
      ['GET', '/api/v1/databases/'],
      ['DELETE', '/api/v1/databases/'],
      ['GET', '/api/v1/documents/'],
      ['DELETE', '/api/v1/documents/'],
      ['GET', '/api/v1/jobs/'],
      ['GET', '/api/v1/status/'],
    ];
    it.each(BY_ID)('%s %s… with an id that is none is a 400', async (method, path) => {
      const names = ['1', 'abc', `${NOWHERE}0`, NOWHERE.slice(1), `{${NOWHERE}}`, '%27%20OR%201%3D1', '%00', '..%2f..%2fetc%2fpasswd', '%F0%9F%94%91', 'null', 'undefined', '__proto__', `${NOWHERE}%0d%0aX: y`];
      for (const name of names) {
        const answer = await client.send(method, `${path}${name}`, method === 'PATCH' ? {} : undefined);
        expect(`${answer.status} ${name}`).toBe(`400 ${name}`);
        expectCivil(answer, `${method} ${path}${name}`);
      }
    });

    it('that nobody answers is a 404, with and without a credential', async () => {
      for (const path of ['/', '/nowhere', '/api', '/api/v1', '/api/v2/documents', '/api/v1/nowhere', '/auth', '/admin', '/.env', '/api/v1/documents/x/y/z', `/${'x'.repeat(3000)}`, `/api/v1/documents/${'x'.repeat(3000)}`]) {
        for (const caller of [client, server.anonymous]) {
          const answer = await caller.get(path);
          expect([400, 404, 414]).toContain(answer.status);
          if (!path.startsWith('/api/v1/documents')) expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
          expectCivil(answer, path.slice(0, 60));
        }
      }
    });

    it('that cannot be decoded is a 400 or 404', async () => {
      for (const path of ['/%', '/%zz', '/api/v1/documents/%', '/api/v1/documents/%ff', '/api/v1/documents/%c0%ae', '/auth/me/%E0%A4%A']) {
        const answer = await client.get(path);
        expect([400, 404]).toContain(answer.status);
        expectCivil(answer, path);
      }
    });

    it.each(['/api/v1/documents', '/api/v1/jobs', '/api/v1/databases', '/api/v1/api-keys'])('%s with a query it does not know is a 400', async (path) => {
      for (const query of ['limit=101', 'limit=0', 'limit=x', 'limit=NaN', 'limit=Infinity', 'limit=1e1000', 'limit[]=1', 'limit[a]=1', 'limit=1&limit=1', 'unknown=1', 'cursor[]=x', 'cursor=%00', 'cursor=x']) {
        const answer = await client.get(`${path}?${query}`);
        expect(`${answer.status} ${query}`).toBe(`400 ${query}`);
        expectCivil(answer, `${path}?${query}`);
      }
      for (const query of ['__proto__[polluted]=1', '__proto__=1', '__proto__.polluted=1', 'constructor=1', 'toString=1', '%', '&&&', '='.repeat(2000)]) {
        expectCivil(await client.get(`${path}?${query}`), `${path}?${query}`);
      }
    });

    it('with a filter of the wrong kind is a 400', async () => {
      for (const [path, query] of [
        ['/api/v1/documents', 'state=DELETED'],
        ['/api/v1/documents', 'type=exe'],
        ['/api/v1/documents', 'database_id=x'],
        ['/api/v1/documents', 'query=%00'],
        ['/api/v1/jobs', 'status=x'],
        ['/api/v1/jobs', 'document_id=x'],
        ['/api/v1/api-keys', 'name_contains=%00'],
      ] as const) {
        const answer = await client.get(`${path}?${query}`);
        expect(`${answer.status} ${query}`).toBe(`400 ${query}`);
        expectCivil(answer, query);
      }
    });

    it.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY'])('asked by %s is never a failure', async (method) => {
      for (const path of ['/health/live', '/auth/login', '/auth/me', '/api/v1/documents', `/api/v1/documents/${NOWHERE}`, '/api/v1/search', '/api/v1/ingest/file', '/nowhere']) {
        // `fetch` itself refuses to send TRACE.
        const answer = await new Promise<{ status: number; type: string; text: string }>((resolve, reject) => {
          const request = httpRequest(`${server.url}${path}`, { method, headers: { authorization: `Bearer ${tenant.token}` } }, (response) => {
            let text = '';
            response.setEncoding('utf8').on('data', (part: string) => (text += part));
            response.on('end', () => resolve({ status: response.statusCode ?? 0, type: String(response.headers['content-type']), text }));
          });
          request.on('error', reject).end();
        });
        expect(`${method} ${path} ${answer.status}`).toMatch(/ [24]\d\d$/);
        if (answer.status >= 400 && method !== 'HEAD') {
          expect(`${method} ${path} ${answer.type}`).toBe(`${method} ${path} application/problem+json; charset=utf-8`);
          expect(JSON.parse(answer.text)).toMatchObject({ status: answer.status, code: expect.stringMatching(SNAKE_CASE), request_id: expect.any(String) });
        }
        // TRACE would echo the credential back.
        expect(answer.text).not.toContain(tenant.token);
      }
    });
  });

  describe('a header', () => {
    it('of any odd kind is refused or ignored', async () => {
      for (const headers of [
        { accept: 'image/png' },
        { 'accept-encoding': 'identity;q=0' },
        { 'content-length': '0', 'content-type': 'application/json' },
        { 'x-request-id': `a\u00ff"'<script>` },
        { 'x-forwarded-for': 'not-an-address, ::, 999.1.1.1' },
        { forwarded: 'for=unknown' },
        { host: 'evil.example' },
        { 'if-none-match': '*' },
        { range: 'bytes=0-0,5-' },
        { authorization: `Bearer ${'x'.repeat(8000)}` },
      ] as Record<string, string>[]) {
        expectCivil(await client.get('/auth/me', headers), JSON.stringify(headers));
      }
    });
  });

  // In every field of every route: test/hardening/naughty-strings.e2e-spec.ts.
  describe('a naughty string', () => {
    it('as an address or a password signs nobody in', async () => {
      await forAll(everyNth(10), async (text) => {
        const answer = await server.anonymous.post('/auth/register', { name: 'Naughty', email: text, password: PASSWORD });
        expect(answer.status).toBe(400);
        expectCivil(answer, JSON.stringify(text));
      });
      for (const text of ["' OR 1=1 --", '$(id)', '%s%n']) {
        const answer = await server.anonymous.post('/auth/login', { email: text, password: text });
        expect([401, 429]).toContain(answer.status);
        expectCivil(answer, text);
      }
    });

    it('as a key’s name, description and metadata comes back as it went', async () => {
      const { client: key } = await createKey(client, ['read', 'admin'], { rate_limit_per_hour: 10_000 });
      await forAll(everyNth(9), async (text, index) => {
        const name = `${index} ${text}`.slice(0, 255).toWellFormed();
        const sent = { name, description: text.slice(0, 1000), metadata: { text, [text]: index } };
        const answer = await client.post('/api/v1/api-keys', sent);
        expectCivil(answer, JSON.stringify(text));
        if (answer.status !== 201) return;
        expect((await key.get(`/api/v1/api-keys/${answer.body.api_key.id}`)).body).toMatchObject(sent);
        expectCivil(await key.get(`/api/v1/api-keys?name_contains=${encodeURIComponent(text.slice(0, 255).toWellFormed())}`), JSON.stringify(text));
      });
    });

    it('as a title, a content and a query is taken in and looked for', async () => {
      await forAll(everyNth(15), async (text, index) => {
        const answer = await client.post('/api/v1/ingest/text', { title: text, content: `${index} ${text}`, content_type: index % 2 ? 'text/plain' : 'text/markdown' });
        expectCivil(answer, JSON.stringify(text));
        if (answer.status === 202) expect((await client.get(`/api/v1/documents/${answer.body.document_id}`)).status).toBe(200);
      });
      await forAll(everyNth(9), async (query, index) => {
        expectCivil(await client.post('/api/v1/search', { query, mode: (['hybrid', 'vector', 'keyword'] as const)[index % 3] }), JSON.stringify(query));
      });
    });
  });
});
