import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { asPart, forgetPart, keepAnswer, underClaim, type Claim } from '../../src/idempotency/claim.js';
import { IdempotencyKeys } from '../../src/idempotency/idempotency-keys.service.js';
import { Transactions, type TenantTx } from '../../src/persistence/transactions.js';
import { IdempotencyRetention } from '../../src/tenancy/idempotency-retention.js';
import type { Answer, ApiClient } from '../support/api-client.js';
import { blobsOf } from '../support/disk.js';
import { administrator, createKey, createTenant, eventually, type Tenant } from '../support/factories.js';
import { setLimits, usedBy } from '../support/quotas.js';
import { answerTo, multipart, sendStream } from '../support/raw-http.js';
import { TestApp } from '../support/test-app.js';
import { WebServer } from '../support/web-server.js';

type Send = (client: ApiClient, headers: Record<string, string>) => Promise<Answer<any>>;

const KEYED = Object.entries(JSON.parse(readFileSync('openapi.json', 'utf8')).paths as Record<string, { post?: { parameters?: { name: string }[] } }>)
  .filter(([, { post }]) => post?.parameters?.some(({ name }) => name === 'Idempotency-Key'))
  .map(([path]) => path);

describe('a POST with an Idempotency-Key', () => {
  let server: TestApp;
  let other: TestApp;
  let site: WebServer;
  let admin: ApiClient;
  let tenant: Tenant;

  beforeAll(async () => {
    site = await WebServer.start();
    // Nobody works on the jobs, so all that changes is what a request did.
    const env = { ROLE: 'api', OUTBOUND_ALLOW: site.host } as const;
    server = await TestApp.start(env);
    other = await server.beside(env);
    admin = await administrator(server);
  }, 60_000);
  async function meetTenant(): Promise<void> {
    tenant = await createTenant(server.anonymous);
    await setLimits(admin, tenant, { api_calls_per_hour: null });
  }
  afterAll(async () => {
    await other.app.close();
    await server.stop();
    await site.stop();
  });

  const keyed = (key: string = randomUUID()): Record<string, string> => ({ 'idempotency-key': key });
  const isReplayed = ({ headers }: Answer<unknown>): boolean => headers.get('idempotency-replayed') === 'true';
  const rowsOf = (table: string, { tenantId } = tenant): Promise<Record<string, any>[]> => server.database.query(`SELECT * FROM ${table} WHERE tenant_id = $1`, [tenantId]);
  const text = (title: string): { title: string; content: string } => ({ title, content: `What ${title} says.` });

  /** All that a request of the tenant may have changed. */
  async function effects(): Promise<object> {
    const tables = ['documents', 'jobs', 'api_keys', 'databases', 'database_servers', 'reindexes', 'ingest_batches', 'events'];
    const counts = await Promise.all(tables.map(async (table) => [table, (await rowsOf(table)).length] as const));
    const queued = await server.database.query(`SELECT count(*)::int AS n FROM pgboss.job WHERE data ->> 'tenantId' = $1`, [tenant.tenantId]);
    const attempts = await server.database.query(`SELECT last_version FROM documents WHERE tenant_id = $1 ORDER BY id`, [tenant.tenantId]);
    const files = (await blobsOf(server)).filter((name) => name.includes(tenant.tenantId) || name.startsWith('incoming'));
    const quotas = Object.fromEntries((await rowsOf('tenant_quotas')).map(({ resource, used, reserved }) => [resource, [used, reserved]]));
    return { counts, queued, attempts, files, quotas };
  }

  async function failedDocument(): Promise<{ documentId: string; jobId: string }> {
    const { body } = await tenant.client.post('/api/v1/ingest/url', { url: site.serve('/page', `<h1>Page</h1><p>Of ${randomUUID()}.</p>`) });
    await tenant.client.post(`/api/v1/jobs/${body.task_id}/cancel`);
    return { documentId: body.document_id, jobId: body.task_id };
  }

  const post = (path: string, body?: object): Send => (client, headers) => client.post(path, body, headers);

  const createServer: Send = (client, headers) => {
    const [host, port] = site.host.split(':');
    return client.post('/api/v1/database-servers', { name: 'mine', type: 'QDRANT', host, port: Number(port), api_key: 'canary-of-a-server' }, headers);
  };

  /** For each route, something it can do once. */
  const ROUTES: Record<string, () => Promise<Send> | Send> = {
    '/api/v1/ingest/text': () => post('/api/v1/ingest/text', text('Minutes')),
    '/api/v1/ingest/url': () => post('/api/v1/ingest/url', { url: site.serve('/page', '<h1>Page</h1><p>Of a book.</p>') }),
    '/api/v1/ingest/file': () => (client, headers) => client.upload('A line of a file.', 'line.txt', { fields: { title: 'A line' }, headers }),
    '/api/v1/ingest/batch': () => post('/api/v1/ingest/batch', { items: [text('First'), { url: site.url('/missing') }, text('Second')] }),
    '/api/v1/api-keys': () => post('/api/v1/api-keys', { name: 'program', permissions: ['read'] }),
    '/api/v1/api-keys/{id}/rotate': async () => post(`/api/v1/api-keys/${(await createKey(tenant.client, ['read'])).id}/rotate`, { grace_seconds: 60 }),
    '/api/v1/databases': () => post('/api/v1/databases', { name: 'contracts' }),
    '/api/v1/databases/{id}/reindex': async () => post(`/api/v1/databases/${(await tenant.client.get('/api/v1/databases')).body.databases[0].id}/reindex`, {}),
    '/api/v1/database-servers': () => createServer,
    '/api/v1/documents/{id}/reprocess': async () => post(`/api/v1/documents/${(await failedDocument()).documentId}/reprocess`, {}),
    '/api/v1/documents/{id}/refresh': async () => post(`/api/v1/documents/${(await failedDocument()).documentId}/refresh`),
    '/api/v1/documents/batch': async () => post('/api/v1/documents/batch', { document_ids: [(await failedDocument()).documentId, randomUUID()], operation: 'reprocess' }),
    '/api/v1/webhooks': () => post('/api/v1/webhooks', { url: site.url('/hook'), events: ['document.*'] }),
    '/api/v1/webhooks/{id}/rotate-secret': async () => post(`/api/v1/webhooks/${(await tenant.client.post('/api/v1/webhooks', { url: site.url('/hook'), events: ['*'] })).body.webhook.id}/rotate-secret`, {}),
    '/api/v1/webhooks/signing-secret': () => post('/api/v1/webhooks/signing-secret', {}),
    '/api/v1/jobs/{id}/retry': async () => post(`/api/v1/jobs/${(await failedDocument()).jobId}/retry`),
  };

  describe('on each route that takes one', () => {
    beforeAll(meetTenant);

    it.each(KEYED)('to %s has its effect once, and is answered alike by every server', async (path) => {
      const send = await ROUTES[path]!();
      const key = keyed();
      const first = await send(tenant.client, key);
      expect([first.status < 300, first.body, isReplayed(first)]).toEqual([true, expect.anything(), false]);
      const after = await effects();
      const { secret_key: _, secret: __, ...kept } = first.body;
      for (const client of [tenant.client, other.anonymous.asUser(tenant.token)]) {
        const again = await send(client, key);
        expect([again.status, again.body, isReplayed(again)]).toEqual([first.status, kept, true]);
        expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'));
      }
      expect(await effects()).toEqual(after);
    });
  });

  describe('of one request', () => {
    beforeEach(meetTenant);

    it('does not repeat the secret of a key, and has it nowhere', async () => {
      const key = keyed();
      const created = await post('/api/v1/api-keys', { name: 'program' })(tenant.client, key);
      const rotated = await post(`/api/v1/api-keys/${created.body.api_key.id}/rotate`, {})(tenant.client, key);
      for (const { body } of [created, rotated]) expect(body.secret_key).toMatch(/^mk_/);
      expect((await createServer(tenant.client, key)).status).toBe(201);
      const kept = JSON.stringify([await rowsOf('idempotency_keys'), await rowsOf('idempotency_parts')]);
      expect(kept).toContain(created.body.api_key.id);
      for (const secret of [created.body.secret_key, rotated.body.secret_key, 'secret_key', 'canary']) expect(kept).not.toContain(secret);
    });

    it('writes nothing of it when there is none, nor on a route that takes none', async () => {
      await post('/api/v1/ingest/text', text('Minutes'))(tenant.client, {});
      const [search, again] = [await post('/api/v1/search', { query: 'minutes' })(tenant.client, keyed('k')), await post('/api/v1/search', { query: 'other' })(tenant.client, keyed('k'))];
      expect([search.status, again.status, isReplayed(again)]).toEqual([200, 200, false]);
      expect(await rowsOf('idempotency_keys')).toEqual([]);
    });

    it('is the same quoted or bare, and with its members in another order', async () => {
      const first = await post('/api/v1/ingest/text', { title: 'Minutes', content: 'Of the board.', metadata: { a: 1, b: 2 } })(tenant.client, keyed('of-the-board'));
      const raw = '{ "metadata": {"b":2,"a":1}, "content":"Of the board.","title":"Minutes" }';
      const again = await tenant.client.send<any>('POST', '/api/v1/ingest/text', raw, { 'content-type': 'application/json', ...keyed('"of-the-board"') });
      expect([again.status, again.body.document_id, isReplayed(again)]).toEqual([202, first.body.document_id, true]);
    });

    it('is refused when the key is malformed, before anything is done', async () => {
      const { status, body } = await post('/api/v1/ingest/text', text('Minutes'))(tenant.client, keyed('two words'));
      expect([status, body.code]).toEqual([400, 'malformed_idempotency_key']);
      expect(await rowsOf('documents')).toEqual([]);
    });

    it('is refused with another body, another resource or another file, and leaves nothing behind', async () => {
      const key = keyed();
      await post('/api/v1/ingest/text', text('Minutes'))(tenant.client, key);
      await tenant.client.upload('A line.', 'line.txt', { headers: key });
      const [one, two] = [await createKey(tenant.client, ['read']), await createKey(tenant.client, ['read'])];
      await post(`/api/v1/api-keys/${one.id}/rotate`, {})(tenant.client, key);
      const before = await effects();
      const refused = [
        await post('/api/v1/ingest/text', text('Others'))(tenant.client, key),
        await tenant.client.upload('Another line.', 'line.txt', { headers: key }),
        await tenant.client.upload('A line.', 'other.txt', { headers: key }),
        await tenant.client.upload('A line.', 'line.txt', { fields: { title: 'Line' }, headers: key }),
        await post(`/api/v1/api-keys/${two.id}/rotate`, {})(tenant.client, key),
      ];
      expect(refused.map(({ status, body }) => [status, body.code])).toEqual(refused.map(() => [422, 'idempotency_key_reused']));
      expect(await effects()).toEqual(before);
    });

    it('is each tenant’s and each route’s own', async () => {
      const stranger = await createTenant(server.anonymous);
      const key = keyed('1');
      const mine = await post('/api/v1/databases', { name: 'contracts' })(tenant.client, key);
      const theirs = await post('/api/v1/databases', { name: 'contracts' })(stranger.client, key);
      const elsewhere = await post('/api/v1/api-keys', { name: 'contracts' })(tenant.client, key);
      expect([mine, theirs, elsewhere].map((answer) => [answer.status, isReplayed(answer)])).toEqual([[201, false], [201, false], [201, false]]);
      expect(theirs.body.id).not.toBe(mine.body.id);
    });

    it('tells a credential that is bound to other databases nothing of the answer', async () => {
      const { body: secret } = await tenant.client.post('/api/v1/databases', { name: 'secret' });
      const { body: open } = await tenant.client.post('/api/v1/databases', { name: 'open' });
      const [bound, same, otherwise] = await Promise.all([[secret.id], [secret.id], [open.id]].map((database_ids) => createKey(tenant.client, ['ingest'], { database_ids })));
      const send = post('/api/v1/ingest/text', { ...text('Minutes'), database: 'secret' });
      const key = keyed();
      const first = await send(bound!.client, key);
      expect(first.status).toBe(202);
      expect((await send(same!.client, key)).body).toEqual(first.body);
      for (const client of [otherwise!.client, tenant.client]) {
        const { status, body } = await send(client, key);
        expect([status, body.code]).toEqual([422, 'idempotency_key_reused']);
        expect(JSON.stringify(body)).not.toContain(first.body.document_id);
      }
      expect(await rowsOf('documents')).toHaveLength(1);
    });

    it('can be tried again after a refusal, mended or with more room', async () => {
      const key = keyed();
      expect((await post('/api/v1/ingest/text', { title: 'No content' })(tenant.client, key)).status).toBe(400);
      await setLimits(admin, tenant, { documents: 0 });
      const full = await post('/api/v1/ingest/text', text('Minutes'))(tenant.client, key);
      expect([full.status, full.body.code]).toEqual([429, 'quota_exceeded']);
      expect(await rowsOf('idempotency_keys')).toEqual([]);
      await setLimits(admin, tenant, { documents: 1 });
      expect((await post('/api/v1/ingest/text', text('Minutes'))(tenant.client, key)).status).toBe(202);
    });

    it('of which a part was undone leaves nothing to go on from', async () => {
      const { body: away } = await createServer(tenant.client, {});
      const key = keyed();
      const create = post('/api/v1/databases', { name: 'contracts', server_id: away.id });
      // The site is no Qdrant: the row was there, and went again.
      const asked = site.requests.length;
      for (const { status, body } of [await create(tenant.client, key), await create(tenant.client, key)]) expect([status, body.code]).not.toEqual([409, 'idempotency_key_in_flight']);
      expect(site.requests.length).toBeGreaterThan(asked);
      expect([(await rowsOf('databases')).length, await rowsOf('idempotency_keys'), (await usedBy(tenant.client))['databases']]).toEqual([1, [], 1]);
    });

    it('goes on where its client hung up', async () => {
      const url = site.url('/slow');
      site.pages['/slow'] = () => undefined;
      const sendBatch = (signal: AbortSignal): Promise<Response> =>
        fetch(`${server.url}/api/v1/ingest/batch`, {
          method: 'POST',
          headers: { authorization: `Bearer ${tenant.token}`, 'content-type': 'application/json', 'idempotency-key': 'batch' },
          body: JSON.stringify({ items: [text('First'), { url }] }),
          signal,
        });
      const patience = new AbortController();
      const first = sendBatch(patience.signal);
      await eventually(() => rowsOf('idempotency_parts'), (parts) => parts.length === 1);
      patience.abort();
      await expect(first).rejects.toThrow('aborted');
      site.serve('/slow', '<h1>Page</h1><p>After all.</p>');
      // The key is given back as soon as the server notices.
      const again = await eventually(() => sendBatch(AbortSignal.timeout(10_000)), ({ status }) => status !== 409);
      const { tasks, rejected } = (await again.json()) as { tasks: { document_id: string }[]; rejected: object[] };
      expect([again.status, rejected, tasks.length]).toEqual([202, [], 2]);
      expect(new Set((await rowsOf('documents')).map(({ id }) => id as string))).toEqual(new Set(tasks.map(({ document_id }) => document_id)));
      expect((await usedBy(tenant.client))['documents']).toBe(2);
    });

    it('gets its answer also when it has itself used up what there was, file or text', async () => {
      const [ofText, ofFile] = [keyed(), keyed()];
      await setLimits(admin, tenant, { documents: 2 });
      const sendFile = (): Promise<Answer<any>> => tenant.client.upload('A line.', 'line.txt', { headers: ofFile });
      const firsts = [await post('/api/v1/ingest/text', text('Minutes'))(tenant.client, ofText), await sendFile()];
      const again = [await post('/api/v1/ingest/text', text('Minutes'))(tenant.client, ofText), await sendFile()];
      expect(again.map(({ status, body }) => [status, body])).toEqual(firsts.map(({ body }) => [202, body]));
      expect((await usedBy(tenant.client))['documents']).toBe(2);
    });

    it('is free again after a day, and then forgotten', async () => {
      const key = keyed();
      const [kept, old] = [await post('/api/v1/api-keys', { name: 'kept' })(tenant.client, keyed()), await post('/api/v1/databases', { name: 'one' })(tenant.client, key)];
      expect([kept.status, old.status]).toEqual([201, 201]);
      const age = (hours: number): Promise<unknown> => server.database.query(`UPDATE idempotency_keys SET created_at = now() - make_interval(hours => $3) WHERE tenant_id = $1 AND key = $2`, [tenant.tenantId, key['idempotency-key'], hours]);
      await age(23);
      expect((await post('/api/v1/databases', { name: 'two' })(tenant.client, key)).status).toBe(422);
      await age(25);
      expect((await post('/api/v1/databases', { name: 'two' })(tenant.client, key)).status).toBe(201);
      await age(25);
      await server.app.get(IdempotencyRetention, { strict: false }).run(new AbortController().signal);
      expect((await rowsOf('idempotency_keys')).map(({ route }) => route)).toEqual(['POST /api/v1/api-keys']);
      expect(await rowsOf('idempotency_parts')).toEqual([]);
    });

    it('has one effect of twenty at once over two servers: the others wait or get its answer', async () => {
      const clients = [tenant.client, other.anonymous.asUser(tenant.token)];
      const key = keyed();
      const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => post('/api/v1/ingest/text', text('Minutes'))(clients[at % 2]!, key)));
      const done = answers.filter(({ status }) => status === 202);
      expect(done.filter((answer) => !isReplayed(answer))).toHaveLength(1);
      expect(new Set(done.map(({ body }) => body.document_id)).size).toBe(1);
      expect(answers.filter(({ status }) => status !== 202).every(({ status, body }) => status === 409 && body.code === 'idempotency_key_in_flight')).toBe(true);
      expect([(await rowsOf('documents')).length, (await rowsOf('jobs')).length, (await usedBy(tenant.client))['documents']]).toEqual([1, 1, 1]);
    });

    describe('while the first is still running', () => {
      let held: ServerResponse[];
      let asked: (times: number) => Promise<void>;
      let send: Send;

      beforeEach(() => {
        held = [];
        const path = `/${randomUUID()}`;
        site.pages[path] = (_, response) => held.push(response);
        send = post('/api/v1/ingest/url', { url: site.url(path) });
        const before = site.requests.length;
        asked = (times) => site.received(before + times);
      });

      /** As the clock of the database would, of a process that stood still. */
      const endLease = (): Promise<unknown> => server.database.query(`UPDATE idempotency_keys SET lease_expires_at = now() - interval '1 second' WHERE tenant_id = $1`, [tenant.tenantId]);
      const finish = (at: number): unknown => held[at]!.writeHead(200, { 'content-type': 'text/html' }).end(`<h1>Page</h1><p>As it is for caller ${at}.</p>`);

      it('is told to wait, and the answer comes later', async () => {
        const key = keyed();
        const first = send(tenant.client, key);
        await asked(1);
        const early = await send(other.anonymous.asUser(tenant.token), key);
        expect([early.status, early.body.code, early.body.retryable, early.headers.get('retry-after')]).toEqual([409, 'idempotency_key_in_flight', true, '1']);
        finish(0);
        const { status, body } = await first;
        expect(status).toBe(202);
        expect((await send(tenant.client, key)).body).toEqual(body);
        expect(held).toHaveLength(1);
      });

      it('a file is refused before it is received', async () => {
        const boundary = 'between-parts';
        const form = multipart(boundary, [{ headers: 'name="file"; filename="line.txt"', content: 'A line of a file.' }]);
        const headers = { authorization: `Bearer ${tenant.token}`, 'content-type': `multipart/form-data; boundary=${boundary}`, 'content-length': String(form.length), ...keyed() };
        const sending = new PassThrough();
        sending.write(form.subarray(0, 20));
        const first = sendStream(`${server.url}/api/v1/ingest/file`, headers, sending);
        await eventually(() => rowsOf('idempotency_keys'), (rows) => rows.length === 1);
        const head = Object.entries({ host: 'localhost', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`).join('');
        const early = await answerTo(other.url, `POST /api/v1/ingest/file HTTP/1.1\r\n${head}\r\n`);
        expect([early.status, early.body.code]).toEqual([409, 'idempotency_key_in_flight']);
        sending.end(form.subarray(20));
        const { status, body } = await first;
        expect([status, (await rowsOf('documents')).map(({ id }) => id)]).toEqual([202, [body.document_id]]);
      });

      it('holds its key for as long as it runs', async () => {
        const first = send(tenant.client, keyed());
        await asked(1);
        const leaseOf = async (): Promise<Date> => (await rowsOf('idempotency_keys'))[0]!['lease_expires_at'];
        const end = await leaseOf();
        await eventually(leaseOf, (renewed) => renewed > end);
        finish(0);
        expect((await first).status).toBe(202);
      });

      it('a batch that came back from the dead adds nothing to what the one made of it that took its key over', async () => {
        const key = keyed();
        site.pages['/batch'] = (_, response) => held.push(response);
        const sendBatch = post('/api/v1/ingest/batch', { items: [text('First'), { url: site.url('/batch') }] });
        const first = sendBatch(tenant.client, key);
        await asked(1);
        await eventually(() => rowsOf('idempotency_parts'), (parts) => parts.length === 1);
        await endLease();
        const second = sendBatch(other.anonymous.asUser(tenant.token), key);
        await asked(2);
        finish(1);
        const taken = await second;
        finish(0);
        const late = await first;
        expect([taken.status, late.status, late.body.code]).toEqual([202, 409, 'idempotency_key_in_flight']);
        expect(taken.body.tasks).toHaveLength(2);
        expect((await rowsOf('documents')).map(({ id }) => id)).toEqual(expect.arrayContaining(taken.body.tasks.map(({ document_id }: { document_id: string }) => document_id)));
        expect([(await rowsOf('documents')).length, (await rowsOf('ingest_batches')).length, (await usedBy(tenant.client))['documents']]).toEqual([2, 1, 2]);
      });

      it('one that lost its key can neither keep an answer nor undo what another goes on from', async () => {
        const [keys, transactions] = [server.app.get(IdempotencyKeys, { strict: false }), server.app.get(Transactions, { strict: false })];
        const request = { tenantId: tenant.tenantId, key: 'k', method: 'POST', route: '/things', params: {}, query: {}, databaseIds: null, body: { of: 'json', value: {} } } as const;
        const claim = async (): Promise<Claim> => (await keys.claim(request, { status: 201, secrets: [] })) as Claim;
        const inside = <T>(one: Claim, work: (tx: TenantTx) => Promise<T>): Promise<T> => underClaim(one, () => transactions.forTenant(tenant.tenantId, work));
        const first = await claim();
        await underClaim(first, () => asPart('row', () => transactions.forTenant(tenant.tenantId, (tx) => keepAnswer(tx, { id: 1 }))));
        await endLease();
        const second = await claim();
        const lost = expect.objectContaining({ code: 'idempotency_key_in_flight' });
        await expect(inside(first, (tx) => forgetPart(tx, 'row'))).rejects.toEqual(lost);
        await expect(inside(first, (tx) => keepAnswer(tx, { id: 2 }))).rejects.toEqual(lost);
        await expect(underClaim(first, () => asPart('collection', () => transactions.forTenant(tenant.tenantId, (tx) => keepAnswer(tx, {}))))).rejects.toEqual(lost);
        await keys.release(tenant.tenantId, first.holder);
        expect(await underClaim(second, () => asPart('row', () => Promise.reject(new Error('done twice'))))).toEqual({ id: 1 });
        await inside(second, (tx) => forgetPart(tx, 'row'));
        expect(await rowsOf('idempotency_parts')).toEqual([]);
        await inside(second, (tx) => keepAnswer(tx, { id: 1 }));
        expect(await keys.claim(request, { status: 200, secrets: [] })).toEqual({ status: 201, body: { id: 1 } });
      });

      it('one that came back from the dead has no effect beside the one that took its key over', async () => {
        const key = keyed();
        const first = send(tenant.client, key);
        await asked(1);
        await endLease();
        const second = send(other.anonymous.asUser(tenant.token), key);
        await asked(2);
        finish(1);
        const taken = await second;
        expect(taken.status).toBe(202);
        finish(0);
        const late = await first;
        expect([late.status, late.body.code]).toEqual([409, 'idempotency_key_in_flight']);
        expect((await rowsOf('documents')).map(({ id }) => id)).toEqual([taken.body.document_id]);
        expect(await blobsOf(server).then((names) => names.filter((name) => name.includes(tenant.tenantId)))).toHaveLength(1);
        expect((await usedBy(tenant.client))['documents']).toBe(1);
      });
    });
  });
});
