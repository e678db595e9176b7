import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { makePdf } from '../fixtures/make.js';
import type { Answer } from '../support/api-client.js';
import { blobsOf } from '../support/disk.js';
import { administrator, createTenant, eventually, waitForTask, type Tenant } from '../support/factories.js';
import { hangUp } from '../support/hanging-up.js';
import { setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';
import { WebServer } from '../support/web-server.js';

const MIB = 1024 * 1024;
const ARTICLE = '<!doctype html><html><head><title>Of puffins</title></head><body><h1>Puffins</h1><p>Puffins nest in burrows.</p></body></html>';
/** No port that anybody is given: one that was, and is closed, another test's server may have by now. */
const CLOSED_HOST = '127.0.0.1:2';

describe('a URL that is ingested', () => {
  let server: TestApp;
  let site: WebServer;
  /** Not on the operator's list. */
  let internal: WebServer;
  let tenant: Tenant;

  beforeAll(async () => {
    [site, internal] = [await WebServer.start(), await WebServer.start()];
    server = await TestApp.start({ MAX_UPLOAD_MB: '1', OUTBOUND_ALLOW: `${site.host},${CLOSED_HOST}` });
    internal.serve('/secret', 'secret');
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    await setLimits(await administrator(server), tenant, { api_calls_per_hour: null });
  });
  afterEach(async () => {
    expect(internal.requests).toHaveLength(0);
    // The text of a document that is just being stored passes through there, too.
    await eventually(async () => (await blobsOf(server)).filter((name) => name.startsWith('incoming')), (names) => names.length === 0);
  });
  afterAll(async () => {
    await server.stop();
    await Promise.all([site.stop(), internal.stop()]);
  });

  const ingest = (url: string, more: object = {}): Promise<Answer<any>> => tenant.client.post('/api/v1/ingest/url', { url, ...more });

  async function ingested(url: string, more: object = {}): Promise<any> {
    const accepted = await ingest(url, more);
    expect([accepted.status, accepted.body]).toMatchObject([202, { status: 'pending' }]);
    expect(await waitForTask(tenant.client, accepted.body.task_id)).toMatchObject({ status: 'completed' });
    return (await tenant.client.get(`/api/v1/documents/${accepted.body.document_id}`)).body;
  }

  it('is a document with the page’s title and the address that citations show', async () => {
    const document = await ingested(`${site.serve('/birds/puffins', ARTICLE, { 'content-type': 'text/html; charset=utf-8' })}?edition=2#nests`, { metadata: { topic: 'birds' } });
    const source_url = site.url('/birds/puffins?edition=2');
    expect(document).toMatchObject({ type: 'html', title: 'Of puffins', name: 'puffins.html', source_url, size_bytes: ARTICLE.length, state: 'INGESTED', metadata: { topic: 'birds' } });
    const { body } = await tenant.client.post('/api/v1/search', { query: 'burrows' });
    expect(body.results[0].citation).toMatchObject({ document_id: document.id, source_url });
    expect(body.results[0].text).toContain('nest in burrows');
    const { authorization, cookie, 'user-agent': agent } = site.requests.at(-1)!.headers;
    expect([authorization, cookie, agent]).toEqual([undefined, undefined, expect.stringContaining('MoRAG')]);
  });

  it('is what three redirects lead to, under its last address', async () => {
    for (const [from, to] of [['/a', '/b'], ['/b', '/c'], ['/c', '/files/report']] as const) site.pages[from] = (_, response) => response.writeHead(302, { location: `${to}#top` }).end();
    site.serve('/files/report', makePdf(['Terns fly far.'], { title: 'Report' }), { 'content-type': 'application/octet-stream', 'content-disposition': `attachment; filename="report.pdf"; filename*=UTF-8''r%C3%A9port.pdf` });
    expect(await ingested(site.url('/a'))).toMatchObject({ type: 'pdf', name: 'réport.pdf', title: 'Report', source_url: site.url('/files/report') });
    site.pages['/0'] = (_, response) => response.writeHead(307, { location: '/a' }).end();
    expect(await ingest(site.url('/0'))).toMatchObject({ status: 422, body: { code: 'url_answered', url_status: 302, retryable: false, detail: expect.stringContaining('redirects again') } });
  });

  it.each([
    ['Markdown that is served as plain text', '/README.md', '# Gulls\n\nGulls are loud.', 'text/plain; charset=utf-8', { type: 'md', name: 'README.md', title: 'Gulls' }],
    ['a page whose address ends like a picture', '/wiki/File:Gull.jpg', '<html><body><p>A picture of a gull.</p></body></html>', 'text/html', { type: 'html', name: 'File:Gull.jpg.html' }],
    ['a site’s own address', '/', '<html><body><p>Welcome to the gulls.</p></body></html>', 'text/html', { type: 'html', name: '127.0.0.1.html' }],
    ['a compressed page', '/gzip.html', '<html><body><p>Small gulls.</p></body></html>', 'text/html', { type: 'html', name: 'gzip.html' }],
  ])('is recognised: %s', async (_, path, content, type, document) => {
    const url = path === '/gzip.html' ? site.serve(path, gzipSync(content), { 'content-type': type, 'content-encoding': 'gzip' }) : site.serve(path, content, { 'content-type': type });
    expect(await ingested(url)).toMatchObject({ ...document, size_bytes: Buffer.byteLength(content) });
  });

  it('keeps the title that the sender chose, and refuses the same bytes again', async () => {
    const url = site.serve('/twice.html', ARTICLE.replace('burrows', 'cliffs'));
    const { id, title } = await ingested(url, { title: 'Mine' });
    expect(title).toBe('Mine');
    expect(await ingest(`${url}?again`)).toMatchObject({ status: 409, body: { code: 'duplicate_document', document_id: id } });
  });

  it('is refused in one and the same way when it is blocked, refuses, is unknown or no web address', async () => {
    site.pages['/inside'] = (_, response) => response.writeHead(302, { location: internal.url('/secret') }).end();
    const urls = [
      internal.url('/secret'), internal.url('/secret').replace('127.0.0.1', 'localhost'), internal.url('/secret').replace('127.0.0.1', '[::ffff:127.0.0.1]'), site.url('/inside'), 'http://169.254.169.254/latest/meta-data/',
      `http://${CLOSED_HOST}/`, 'http://nowhere.invalid/', 'ftp://example.com/file', 'javascript:alert(1)', 'file:///etc/passwd', `http://user:password@${site.host}/birds/puffins`,
    ];
    const answers = await Promise.all(urls.map((url) => ingest(url)));
    const said = answers.map(({ status, body: { request_id: _, ...problem } }) => JSON.stringify({ status, problem }));
    expect(answers[0]).toMatchObject({ status: 422, body: { code: 'url_not_allowed', retryable: false } });
    expect(new Set(said).size).toBe(1);
    const before = site.requests.length;
    for (const url of ['nonsense', '', '/relative', 5, null, ['http://x'], `http://x/${'y'.repeat(2048)}`]) expect(await ingest(url as string)).toMatchObject({ status: 400, body: { errors: [{ field: 'url' }] } });
    expect(site.requests).toHaveLength(before);
  });

  it.each([[404, false], [410, false], [429, true], [500, true]])('that answers %i is told so', async (status, retryable) => {
    site.pages['/status'] = (_, response) => response.writeHead(status, { 'content-type': 'text/html' }).end(ARTICLE);
    expect(await ingest(site.url('/status'))).toMatchObject({ status: 422, body: { code: 'url_answered', url_status: status, retryable, detail: expect.stringContaining(String(status)) } });
  });

  it('that is no document leaves nothing behind', async () => {
    let sentWhole = false;
    site.pages['/cat'] = (_, response) => {
      response.writeHead(200, { 'content-type': 'image/png' });
      response.write(Buffer.alloc(4 * MIB), (error) => (sentWhole ||= !error));
    };
    site.pages['/broken'] = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': '1000' });
      response.write('half', () => response.destroy());
    };
    const cases: [string, number, object][] = [
      [site.url('/cat'), 415, { code: 'unsupported_type' }],
      [site.url('/broken'), 502, { code: 'url_broke_off', retryable: true }],
      [site.serve('/bomb', gzipSync(Buffer.alloc(5 * MIB, ' ')), { 'content-type': 'text/plain', 'content-encoding': 'gzip' }), 422, { code: 'url_too_large', max_bytes: MIB }],
      [site.serve('/lie.pdf', ARTICLE, { 'content-type': 'application/pdf' }), 415, { code: 'type_mismatch' }],
      [site.serve('/zeros', Buffer.alloc(100), { 'content-type': 'application/octet-stream' }), 415, { code: 'unsupported_type' }],
      [site.serve('/nothing', '', { 'content-type': 'text/html' }), 422, { code: 'empty_file' }],
    ];
    for (const [url, status, body] of cases) expect([url, await ingest(url)]).toMatchObject([url, { status, body }]);
    expect(sentWhole).toBe(false);
    expect((await tenant.client.get('/api/v1/documents')).body.documents).toEqual([]);
    expect((await blobsOf(server)).filter((name) => name.startsWith(tenant.tenantId))).toEqual([]);
  });

  it('is not even fetched for a database that is not there, or when there is no room', async () => {
    const before = site.requests.length;
    const url = site.serve('/unread', ARTICLE);
    expect(await ingest(url, { database: 'nowhere' })).toMatchObject({ status: 404, body: { code: 'not_found' } });
    await setLimits(await administrator(server), tenant, { documents: 0 });
    expect(await ingest(url)).toMatchObject({ status: 429, body: { code: 'quota_exceeded', resource: 'documents' } });
    expect(site.requests).toHaveLength(before);
  });

  it('is let go when the client hangs up', async () => {
    const left = new Promise<void>((resolve) => {
      site.pages['/endless'] = (_, response) => {
        response.writeHead(200, { 'content-type': 'text/html' }).write(ARTICLE);
        response.once('close', () => resolve());
      };
    });
    const asked = site.received(site.requests.length + 1);
    const body = JSON.stringify({ url: site.url('/endless') });
    const call = new AbortController();
    const answer = fetch(`${server.url}/api/v1/ingest/url`, { method: 'POST', headers: { authorization: `Bearer ${tenant.token}`, 'content-type': 'application/json' }, body, signal: call.signal });
    await asked;
    await eventually(() => blobsOf(server), (names) => names.some((name) => name.startsWith('incoming')));
    call.abort();
    await expect(answer).rejects.toThrow('aborted');
    await left;
    await eventually(() => blobsOf(server), (names) => !names.some((name) => name.startsWith('incoming')));
    const headers = { authorization: `Bearer ${tenant.token}` };
    await hangUp(server.url, { method: 'POST', path: '/api/v1/ingest/url', headers, body }, 'as soon as it is sent');
    expect((await tenant.client.get('/api/v1/documents')).body.documents).toEqual([]);
    expect((await ingest(site.serve('/after', ARTICLE))).status).toBe(202);
  });

  it('waits for no turn: beyond sixteen at once it is refused for the moment', async () => {
    const held: ServerResponse[] = [];
    site.pages['/held'] = (_, response) => held.push(response);
    const asked = site.received(site.requests.length + 16);
    const first = Array.from({ length: 16 }, (_, at) => ingest(`${site.url('/held')}?${at}`));
    await asked;
    const refused = await ingest(site.serve('/one-more', ARTICLE));
    expect(refused).toMatchObject({ status: 503, body: { code: 'downloads_busy', retryable: true } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    for (const [at, response] of held.entries()) response.writeHead(200, { 'content-type': 'text/plain' }).end(`Text ${at}`);
    expect((await Promise.all(first)).map(({ status }) => status)).toEqual(Array.from({ length: 16 }, () => 202));
    expect((await ingest(site.url('/one-more'))).status).toBe(202);
  });

  it('is refused when it is of a type that the tenant does not take', async () => {
    const configured = await tenant.client.patch('/api/v1/tenant/configuration', { allowed_file_types: ['pdf'] });
    expect(configured.status).toBe(200);
    expect(await ingest(site.serve('/page', ARTICLE))).toMatchObject({ status: 415, body: { code: 'type_not_allowed' } });
  });

  it('is fetched for nobody who may not ingest', async () => {
    const before = site.requests.length;
    const { body } = await tenant.client.post('/api/v1/api-keys', { name: 'reader', permissions: ['read'] });
    expect(await server.anonymous.asApiKey(body.secret_key).post('/api/v1/ingest/url', { url: site.url('/page') })).toMatchObject({ status: 403 });
    expect(site.requests).toHaveLength(before);
  });
});
