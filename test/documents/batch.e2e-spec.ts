import type { ServerResponse } from 'node:http';
import type { Answer } from '../support/api-client.js';
import { administrator, createKey, createTenant, eventually, type Tenant } from '../support/factories.js';
import { setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';
import { WebServer } from '../support/web-server.js';

const NOWHERE = '00000000-0000-7000-8000-000000000000';
const page = (text: string): string => `<!doctype html><html><body><p>${text}</p></body></html>`;
const text = (n: number | string, more: object = {}): object => ({ title: `Text ${n}`, content: `The text number ${n}.`, ...more });

describe('a batch', () => {
  let server: TestApp;
  let site: WebServer;
  let tenant: Tenant;

  beforeAll(async () => {
    site = await WebServer.start();
    server = await TestApp.start({ OUTBOUND_ALLOW: site.host, MAX_UPLOAD_MB: '1' });
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    await setLimits(await administrator(server), tenant, { api_calls_per_hour: null });
  });
  afterAll(async () => {
    await server.stop();
    await site.stop();
  });

  const send = (items: unknown, more: object = {}): Promise<Answer<any>> => tenant.client.post('/api/v1/ingest/batch', { items, ...more });
  const read = async (id: string, client = tenant.client): Promise<any> => (await client.get(`/api/v1/ingest/batch/${id}`)).body;
  const completed = (id: string): Promise<any> => eventually(() => read(id), ({ status }) => status === 'completed');
  const documents = async (): Promise<any[]> => (await tenant.client.get('/api/v1/documents')).body.documents;

  it('takes in texts and URLs side by side, each with its own title and metadata, and is summed up', async () => {
    const url = site.serve('/tern', page('Terns fly to the pole.'));
    const accepted = await send([text(0), { url, title: 'Terns', metadata: { source: 'web' } }, { title: 'Plain', content: '# no heading', content_type: 'text/plain' }], { metadata: { project: 'birds', source: 'list' }, chunk_size: 500, chunk_overlap: 10 });
    expect(accepted).toMatchObject({ status: 202, body: { batch_id: expect.any(String), tasks: [{ index: 0 }, { index: 1 }, { index: 2 }], rejected: [] } });
    const { batch_id, tasks } = accepted.body;
    expect(await completed(batch_id)).toEqual({
      batch_id, created_at: expect.any(String), status: 'completed', total: 3, accepted: 3, rejected: 0, progress: 1,
      by_status: { pending: 0, in_progress: 0, completed: 3, failed: 0, cancelled: 0 },
      tasks: tasks.map((task: object) => ({ ...task, status: 'completed', progress: 1, error: null })),
    });
    const [first, tern, plain] = await Promise.all(tasks.map(async (task: { document_id: string }) => (await tenant.client.get(`/api/v1/documents/${task.document_id}`)).body));
    expect(first).toMatchObject({ title: 'Text 0', type: 'md', metadata: { project: 'birds', source: 'list' } });
    expect(tern).toMatchObject({ title: 'Terns', type: 'html', source_url: url, metadata: { project: 'birds', source: 'web' } });
    expect(plain).toMatchObject({ title: 'Plain', type: 'txt' });
  });

  it('lets no item take others with it, and says of each what it would have been told alone', async () => {
    await setLimits(await administrator(server), tenant, { documents: 3 });
    const whole = await tenant.client.post('/api/v1/ingest/text', text('there already'));
    site.pages['/away'] = (_, response) => response.writeHead(503).end();
    const items = [
      text('there already'), { url: 'http://127.0.0.1:1/' }, { url: site.url('/away') }, { url: site.serve('/cat', 'x', { 'content-type': 'image/png' }) }, text('new'), text('new', { title: 'Again' }), text('also new'), text('one too many'),
    ];
    const { status, headers, body } = await send(items);
    expect([status, body.tasks.map(({ index }: { index: number }) => index)]).toEqual([202, [4, 6]]);
    expect(body.rejected).toMatchObject([
      { index: 0, problem: { status: 409, code: 'duplicate_document', document_id: whole.body.document_id } },
      { index: 1, problem: { status: 422, code: 'url_not_allowed' } },
      { index: 2, problem: { status: 422, code: 'url_answered', url_status: 503, retryable: true } },
      { index: 3, problem: { status: 415, code: 'unsupported_type' } },
      { index: 5, problem: { status: 409, code: 'duplicate_document', document_id: body.tasks[0].document_id } },
      { index: 7, problem: { status: 429, code: 'quota_exceeded', resource: 'documents', limit: 3, retryable: false } },
    ]);
    for (const { problem } of body.rejected) expect(problem).toMatchObject({ type: expect.any(String), title: expect.any(String), detail: expect.any(String), instance: '/api/v1/ingest/batch', request_id: headers.get('x-request-id') });
    const alone = await tenant.client.post('/api/v1/ingest/text', text('new'));
    const withoutPlace = ({ instance: _, request_id: __, ...problem }: Record<string, unknown>): object => problem;
    expect(withoutPlace(body.rejected[4].problem)).toEqual(withoutPlace(alone.body));
    expect(await completed(body.batch_id)).toMatchObject({ total: 8, accepted: 2, rejected: 6, by_status: { completed: 2 } });
    expect(await documents()).toHaveLength(3);
  });

  it('of which nothing is accepted is a batch all the same', async () => {
    const { status, body } = await send([{ url: 'http://127.0.0.1:1/' }]);
    expect([status, body]).toMatchObject([202, { tasks: [], rejected: [{ index: 0, problem: { code: 'url_not_allowed' } }] }]);
    expect(await read(body.batch_id)).toMatchObject({ status: 'completed', total: 1, accepted: 0, rejected: 1, progress: 1, tasks: [] });
  });

  it('tells how a job failed, and counts it as ended', async () => {
    const { body } = await send([text(1), { title: 'Blank', content: ' \n ' }]);
    const seen = await completed(body.batch_id);
    expect(seen).toMatchObject({ by_status: { completed: 1, failed: 1 }, progress: 1, tasks: [{ status: 'completed', error: null }, { status: 'failed', error: expect.stringMatching(/^no_text: /) }] });
  });

  it.each([
    ['neither text nor URL', [text(1), {}], 'items.1.url'],
    ['both', [{ ...text(1), url: 'https://example.com/' }], 'items.0.content'],
    ['a text without a title', [text(1), text(2), { content: 'x' }], 'items.2.title'],
    ['a title alone', [{ title: 'x' }], 'items.0.url'],
    ['no address', [{ url: 'nonsense' }], 'items.0.url'],
    ['null', [text(1), null], 'items'],
    ['a list', [[text(1)]], 'items'],
    ['a number', [5], 'items'],
    ['an unknown field', [text(1, { database: 'other' })], 'items.0.database'],
    ['metadata that is none', [text(1, { metadata: 'x' })], 'items.0.metadata'],
    ['a type of text that is none', [text(1, { content_type: 'text/html' })], 'items.0.content_type'],
    ['a text of null', [{ title: 'x', content: null }], 'items.0.content'],
  ])('with an item of %s is refused whole', async (_, items, field) => {
    const { status, body } = await send(items);
    expect([status, body.code, body.errors?.map((error: { field: string }) => error.field)]).toEqual([400, 'validation_failed', expect.arrayContaining([expect.stringMatching(new RegExp(`^${field}(\\.|$)`))])]);
    expect(await documents()).toEqual([]);
  });

  it('has between 1 and 100 items, one database and one way of cutting', async () => {
    for (const items of [[], Array.from({ length: 101 }, (_, at) => text(at)), undefined, null, {}, 'x']) expect(await send(items)).toMatchObject({ status: 400, body: { errors: [{ field: 'items' }] } });
    expect(await send([text(1)], { database: 'nowhere' })).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await send([text(1)], { chunk_size: 100, chunk_overlap: 100 })).toMatchObject({ status: 422, body: { code: 'invalid_chunking' } });
    expect(await documents()).toEqual([]);
    const hundred = await send(Array.from({ length: 100 }, (_, at) => text(at)));
    expect([hundred.status, hundred.body.tasks.length, hundred.body.rejected]).toEqual([202, 100, []]);
    expect(hundred.body.tasks.map(({ index }: { index: number }) => index)).toEqual(Array.from({ length: 100 }, (_, at) => at));
  });

  it('fetches eight addresses at a time, and the rest as these come in', async () => {
    const held: ServerResponse[] = [];
    let [most, came] = [0, 0];
    site.pages['/held'] = (_, response) => {
      held.push(response);
      most = Math.max(most, held.length);
      came += 1;
      if (held.length < 8 && came < 20) return;
      for (const each of held.splice(0)) each.writeHead(200, { 'content-type': 'text/plain' }).end(`Held ${each.req.url}`);
    };
    // Twenty: eight, eight, and the last four, of which the last to come lets all go: on the way one may overtake another.
    const { body } = await send(Array.from({ length: 20 }, (_, at) => ({ url: `${site.url('/held')}?n=${at}` })));
    expect([body.tasks.length, body.rejected, most]).toEqual([20, [], 8]);
  });

  it('is seen by its tenant alone, and by a key only where its database is', async () => {
    const [mine, other] = await Promise.all(['mine', 'other'].map(async (name) => (await tenant.client.post('/api/v1/databases', { name })).body.id as string));
    const { body } = await send([text(1)], { database_id: mine });
    const [bound, elsewhere, writer, stranger] = [await createKey(tenant.client, ['read'], { database_ids: [mine] }), await createKey(tenant.client, ['read'], { database_ids: [other] }), await createKey(tenant.client, ['ingest']), await createTenant(server.anonymous)];
    expect(await read(body.batch_id, bound.client)).toMatchObject({ batch_id: body.batch_id, total: 1 });
    for (const client of [elsewhere.client, stranger.client]) {
      const [foreign, unknown] = [await read(body.batch_id, client), await read(NOWHERE, client)].map(({ request_id: _, instance: __, ...problem }) => problem);
      expect(foreign).toEqual(unknown);
      expect(foreign).toMatchObject({ status: 404, code: 'not_found' });
    }
    expect(await read(body.batch_id, writer.client)).toMatchObject({ status: 403 });
    expect((await tenant.client.get('/api/v1/ingest/batch/nonsense')).status).toBe(400);
  });

  it('goes with its database', async () => {
    const { body: database } = await tenant.client.post('/api/v1/databases', { name: 'short-lived' });
    const { body } = await send([text(1)], { database_id: database.id });
    await completed(body.batch_id);
    await tenant.client.delete(`/api/v1/documents/${body.tasks[0].document_id}`);
    expect(await read(body.batch_id)).toMatchObject({ accepted: 1 });
    await eventually(() => tenant.client.delete(`/api/v1/databases/${database.id}`), ({ status }) => status === 204);
    expect(await read(body.batch_id)).toMatchObject({ status: 404 });
  });

  it('ends with the client that hangs up, and keeps what it had taken in', async () => {
    const asked = site.received(site.requests.length + 1);
    const left = new Promise<void>((resolve) => (site.pages['/endless'] = (_, response) => void response.once('close', () => resolve())));
    const call = new AbortController();
    const answer = fetch(`${server.url}/api/v1/ingest/batch`, {
      method: 'POST', signal: call.signal, headers: { authorization: `Bearer ${tenant.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ items: [text('kept'), ...Array.from({ length: 12 }, (_, at) => ({ url: `${site.url('/endless')}?${at}` }))] }),
    });
    await asked;
    await eventually(documents, (seen) => seen.length === 1);
    call.abort();
    await expect(answer).rejects.toThrow('aborted');
    await left;
    expect(await documents()).toMatchObject([{ title: 'Text kept' }]);
    const [row] = await server.database.query<{ n: number }>('SELECT count(*)::int AS n FROM ingest_batches WHERE tenant_id = $1', [tenant.tenantId]);
    expect(row!.n).toBe(0);
  });
});
