import { createKey, createTenant, ingestText, type Tenant } from '../support/factories.js';
import { multipart, sendBytes } from '../support/raw-http.js';
import { TestApp } from '../support/test-app.js';

const ORIGIN = 'https://app.example.com';
const NOWHERE = '019a0000-0000-7000-8000-00000000dead';

/** What came back over a connection, taken apart; only the first answer. */
function read(received: string): { status: number; headers: Headers; text: string } {
  const [head = '', ...rest] = received.split('\r\n\r\n');
  const [line = '', ...lines] = head.split('\r\n');
  const headers = new Headers(lines.map((each): [string, string] => [each.slice(0, each.indexOf(':')), each.slice(each.indexOf(':') + 1).trim()]));
  return { status: Number(line.split(' ')[1]), headers, text: rest.join('\r\n\r\n') };
}

describe('the surface', () => {
  let server: TestApp;
  let tenant: Tenant;
  let document: string;
  let job: string;

  beforeAll(async () => {
    server = await TestApp.start({ CORS_ORIGINS: `${ORIGIN}, http://localhost:5173`, DOCS_ENABLED: 'true' });
    tenant = await createTenant(server.anonymous);
    document = await ingestText(tenant.client, 'Granite', 'A rock.');
    job = (await tenant.client.get(`/api/v1/documents/${document}`)).body.job_id;
  }, 60_000);
  afterAll(() => server.stop());

  const raw = async (text: string): Promise<ReturnType<typeof read>> => read(await sendBytes(server.url, text, 'wait'));
  const authorized = (): Record<string, string> => ({ authorization: `Bearer ${tenant.token}` });
  const ask = async (path: string, init: RequestInit = {}): Promise<ReturnType<typeof read>> => {
    const response = await fetch(`${server.url}${path}`, { ...init, headers: { ...authorized(), ...(init.headers as Record<string, string>) } });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  const json = (body: string | Uint8Array<ArrayBuffer>, type = 'application/json'): RequestInit => ({ method: 'POST', body, headers: { 'content-type': type } });

  const ANSWERS: [status: number, what: string, send: () => Promise<ReturnType<typeof read>>][] = [
    [200, 'a success', () => ask('/auth/me')],
    [201, 'something new', () => ask('/api/v1/api-keys', json('{"name":"headers"}'))],
    [204, 'an empty one', async () => ask(`/api/v1/api-keys/${(await createKey(tenant.client, ['read'])).id}`, { method: 'DELETE' })],
    [200, 'one without its body', () => ask('/health', { method: 'HEAD' })],
    [200, 'the health', () => ask('/health')],
    [200, 'the metrics', () => ask('/metrics')],
    [200, 'a download', () => ask(`/api/v1/documents/${document}/content`)],
    [200, 'an extracted text', () => ask(`/api/v1/documents/${document}/text`)],
    [200, 'a stream of events', () => ask(`/api/v1/jobs/${job}/events`)],
    [200, 'Swagger UI', () => ask('/docs')],
    [200, 'a script of Swagger UI', () => ask('/docs/swagger-ui-init.js')],
    [200, 'the OpenAPI document', () => ask('/openapi.json')],
    [204, 'a preflight', () => ask('/auth/me', { method: 'OPTIONS', headers: { origin: ORIGIN, 'access-control-request-method': 'PUT' } })],
    [400, 'an invalid field', () => ask('/api/v1/api-keys', json('{"name":1}'))],
    [400, 'an unreadable body', () => ask('/api/v1/api-keys', json('{'))],
    [400, 'an unreadable address', () => ask('/api/v1/documents/%ff')],
    [400, 'an overlong part of an address', () => ask(`/api/v1/documents/${'x'.repeat(3000)}`)],
    [401, 'no credential', () => ask('/auth/me', { headers: { authorization: '' } })],
    [403, 'a role that is missing', () => ask('/admin/health')],
    [404, 'nothing there', () => ask(`/api/v1/documents/${NOWHERE}`)],
    [404, 'no such address', () => ask('/nowhere')],
    [405, 'another method', () => ask('/auth/login')],
    [405, 'a plain OPTIONS', () => ask('/auth/login', { method: 'OPTIONS' })],
    [404, 'an OPTIONS of nothing', () => ask('/nowhere', { method: 'OPTIONS' })],
    [405, 'TRACE', () => raw('TRACE /auth/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')],
    [405, 'a method of elsewhere', () => raw('PROPFIND /auth/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')],
    [413, 'too large a body', () => ask('/api/v1/api-keys', json(`"${'x'.repeat(5 * 1024 * 1024)}"`))],
    [415, 'another type', () => ask('/api/v1/api-keys', json('x', 'text/plain'))],
    [415, 'another charset', () => ask('/api/v1/api-keys', json('{"name":"x"}', 'application/json; charset=ISO-8859-1'))],
    [422, 'what cannot be', () => ask('/process/chunks', json('{"content":"x","chunk_size":100,"chunk_overlap":100}'))],
    [400, 'no HTTP at all', () => raw('\x16\x03\x01\x02\x00\x01')],
    [400, 'no Host', () => raw('GET /health HTTP/1.1\r\nConnection: close\r\n\r\n')],
    [400, 'two lengths of one body', () => raw('POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello')],
    [400, 'a length and chunks', () => raw('POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')],
    [400, 'chunks under another name', () => raw('POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n')],
    [400, 'a chunk without a length', () => raw('POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n')],
    [400, 'a header of two lines', () => raw('GET /health HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n : d\r\n\r\n')],
    [400, 'a NUL in a header', () => raw('GET /health HTTP/1.1\r\nHost: x\r\nX-A: b\0c\r\n\r\n')],
    [417, 'an expectation of something', () => raw('POST /auth/login HTTP/1.1\r\nHost: x\r\nExpect: 200-maybe\r\nContent-Length: 5\r\n\r\nhello')],
    [431, 'too long a head', () => raw(`GET /health HTTP/1.1\r\nHost: x\r\nX-A: ${'x'.repeat(20_000)}\r\n\r\n`)],
    [431, 'too long an address', () => raw(`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`)],
    [431, 'too many headers', () => raw(`GET /health HTTP/1.1\r\nHost: x\r\n${'X-A: b\r\n'.repeat(3000)}\r\n`)],
    [501, 'a method nobody knows', () => raw('BREW /health HTTP/1.1\r\nHost: x\r\n\r\n')],
  ];
  it.each(ANSWERS)('answers with its headers: %i for %s', async (status, _, send) => {
    const answer = await send();
    expect(answer.status).toBe(status);
    const { headers } = answer;
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toMatch(/default-src 'none'/);
    expect(headers.get('content-security-policy')).toMatch(/sandbox|frame-ancestors 'none'/);
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('strict-transport-security')).toMatch(/^max-age=\d{7,}/);
    expect(headers.get('cache-control')).toMatch(/no-store/);
    for (const name of ['x-powered-by', 'server', 'access-control-allow-credentials']) expect([name, headers.get(name)]).toEqual([name, null]);
    if (status < 400) return;
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    const problem = JSON.parse(answer.text) as Record<string, unknown>;
    expect(problem).toMatchObject({ type: expect.any(String), title: expect.any(String), detail: expect.any(String), status, instance: expect.any(String), request_id: headers.get('x-request-id'), retryable: expect.any(Boolean) });
    expect(problem['code']).toMatch(/^[a-z]+(_[a-z]+)*$/);
    if (status === 405) expect(headers.get('allow')).toMatch(/^[A-Z]+(, [A-Z]+)*$/);
  });

  describe('for a browser', () => {
    const preflight = (method: string, origin: string, path = `/api/v1/documents/${NOWHERE}`) =>
      ask(path, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': 'authorization,x-evil', authorization: '' } });

    it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])('a page of an origin that is named may send %s, with the headers that are ours', async (method) => {
      const { status, headers } = await preflight(method, ORIGIN);
      expect(status).toBe(204);
      expect(headers.get('access-control-allow-origin')).toBe(ORIGIN);
      expect(headers.get('access-control-allow-methods')!.split(', ')).toContain(method);
      expect(headers.get('access-control-allow-headers')).toMatch(/Authorization, X-API-Key/);
      expect(headers.get('access-control-allow-headers')).not.toMatch(/evil/);
      expect(headers.get('vary')).toMatch(/Origin/);
    });

    it.each(['null', 'https://evil.example', `${ORIGIN}.evil.example`, 'http://app.example.com', `${ORIGIN}:8443`, 'https://APP.example.com', 'https://sub.app.example.com', '*', 'http://localhost'])('a page of %s may read nothing', async (origin) => {
      for (const { headers } of [await preflight('PUT', origin), await ask('/auth/me', { headers: { origin } }), await ask('/nowhere', { headers: { origin } })]) {
        expect(headers.get('access-control-allow-origin')).toBeNull();
        expect(headers.get('vary')).toMatch(/Origin/);
      }
    });

    it('a refusal can be read by the page that may ask', async () => {
      for (const path of ['/auth/me', `/api/v1/documents/${NOWHERE}`, '/nowhere']) {
        const { status, headers } = await ask(path, { headers: { origin: ORIGIN, authorization: '' } });
        expect(status).toBeGreaterThanOrEqual(400);
        expect(headers.get('access-control-allow-origin')).toBe(ORIGIN);
        expect(headers.get('access-control-expose-headers')).toMatch(/X-Request-Id, Retry-After/);
      }
    });
  });

  describe('of a body', () => {
    const send = (bytes: Buffer, type = 'application/json') => ask('/api/v1/api-keys', json(Uint8Array.from(bytes), type));

    it('takes bytes that are no UTF-8 for what they are, and stores no replacement of them', async () => {
      for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf8, 0x88, 0x80, 0x80, 0x80]]) {
        const answer = await send(Buffer.concat([Buffer.from('{"name":"bytes '), Buffer.from(bytes), Buffer.from('"}')]));
        expect(answer.status).toBe(400);
        expect(JSON.parse(answer.text)).toMatchObject({ code: 'malformed_request', detail: 'The body is not UTF-8.' });
      }
      const { body } = await tenant.client.get('/api/v1/api-keys?name_contains=bytes');
      expect(body.api_keys).toEqual([]);
    });

    it.each(['application/json; charset=utf-8', 'application/json;charset="UTF-8"', 'APPLICATION/JSON; Charset=utf8'])('reads %s', async (type) => {
      expect((await send(Buffer.from(JSON.stringify({ name: `Schlüssel ${type}` })), type)).status).toBe(201);
    });

    it.each(['application/json; charset=utf-16', 'application/json; charset=latin1', 'application/jsonx', 'application/*', 'application/json, text/plain'])('refuses %s', async (type) => {
      expect((await send(Buffer.from('{"name":"x"}'), type)).status).toBe(415);
    });

    it('answers requests that come at once in their order, and none that was smuggled', async () => {
      const one = 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n';
      const smuggling = `POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: ${one.length}\r\n\r\n${one}`;
      const received = await sendBytes(server.url, `${one}${smuggling}${one}GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, 'wait');
      expect(received.match(/(?<=HTTP\/1\.1 )\d{3}/g)).toEqual(['200', '415', '200', '404']);
    });
  });

  describe('of a form', () => {
    const form = async (type: string, body: Buffer) => {
      const head = `POST /api/v1/ingest/file HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tenant.token}\r\nConnection: close\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`;
      return read(await sendBytes(server.url, Buffer.concat([Buffer.from(head), body]), 'wait'));
    };
    const whole = (headers: string, content: string | Buffer = 'x') => multipart('b', [{ headers, content }]);
    const FILE = 'name="file"; filename="a.txt"';

    // Its name was once shortened character by character, which held up everybody for minutes.
    it('takes one with a file name of a megabyte, at once', async () => {
      expect((await form('multipart/form-data; boundary=b', whole(`name="file"; filename="${'x'.repeat(1024 * 1024)}.txt"`, 'A long name.'))).status).toBe(202);
    });

    it.each([
      ['without a boundary', 'multipart/form-data', whole(FILE)],
      ['with an empty boundary', 'multipart/form-data; boundary=', whole(FILE)],
      ['with another boundary', 'multipart/form-data; boundary=other', whole(FILE)],
      ['of no bytes', 'multipart/form-data; boundary=b', Buffer.alloc(0)],
      ['without its end', 'multipart/form-data; boundary=b', multipart('b', [{ headers: FILE, content: 'x' }], false)],
      ['of nothing but its end', 'multipart/form-data; boundary=b', Buffer.from('--b--\r\n')],
      ['with a part without a name', 'multipart/form-data; boundary=b', whole('filename="a.txt"')],
      ['with an overlong name', 'multipart/form-data; boundary=b', whole(`name="${'n'.repeat(5000)}"`)],
      ['with two files', 'multipart/form-data; boundary=b', multipart('b', [{ headers: FILE, content: 'x' }, { headers: FILE, content: 'y' }])],
      ['with a hundred fields', 'multipart/form-data; boundary=b', multipart('b', [...Array.from({ length: 100 }, (_, index) => ({ headers: `name="f${index}"`, content: 'x' })), { headers: FILE, content: 'x' }])],
      ['with a field of a megabyte', 'multipart/form-data; boundary=b', multipart('b', [{ headers: 'name="metadata"', content: `{"a":"${'x'.repeat(1024 * 1024)}"}` }, { headers: FILE, content: 'x' }])],
      ['with a field that is no UTF-8', 'multipart/form-data; boundary=b', multipart('b', [{ headers: 'name="title"', content: Buffer.from([0x61, 0xff, 0xfe]) }, { headers: FILE, content: 'bytes' }])],
    ] as [string, string, Buffer][])('refuses one %s', async (_, type, body) => {
      const answer = await form(type, body);
      expect([400, 413, 415]).toContain(answer.status);
      expect(JSON.parse(answer.text)).toMatchObject({ status: answer.status, request_id: expect.any(String) });
    });
  });
});
