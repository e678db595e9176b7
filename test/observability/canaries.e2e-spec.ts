import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ApiClient } from '../support/api-client.js';
import { createKey, createTenant, eventually, PASSWORD, signIn, waitForTask, type Tenant } from '../support/factories.js';
import { DOCUMENTED_ROUTES, EXAMPLES } from '../support/openapi-ids.js';
import { attributeOf, KIND, OtlpCollector, type ExportedSpan } from '../support/otlp-collector.js';
import { ServerProcess } from '../support/server-process.js';
import { ADMIN } from '../support/test-app.js';
import { TestDatabase } from '../support/test-database.js';
import { WebServer } from '../support/web-server.js';

/** Followed by a number, which says where it was sent. */
const CANARY = 'zq7canary';
const UNKNOWN = '019a0000-0000-7000-8000-00000000dead';
const MUTATING = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);
/** After these the person is not signed in any more. */
const ENDS_THE_SESSION = /\/auth\/(?:logout|change-password)$/;

/** What the canaries were sent as, by their number. */
const places: string[] = [];
function canary(place: string): string {
  places.push(place);
  return `${CANARY}${places.length - 1}x`;
}

/** Headers of every kind that clients and proxies send. */
function headers(route: string): Record<string, string> {
  const names = ['cookie', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'forwarded', 'x-real-ip', 'user-agent', 'referer', 'origin', 'accept-language', 'idempotency-key', 'x-request-id', 'x-custom', 'traceparent', 'tracestate', 'baggage', 'x-amz-security-token'];
  return Object.fromEntries(names.map((name) => [name, canary(`${route} header ${name}`)]));
}

/** The example of the documentation with a canary in every text, and of a form that would be accepted where that is possible. */
function withCanaries(value: unknown, place: string): unknown {
  if (Array.isArray(value)) return value.map((item, at) => withCanaries(item, `${place}[${at}]`));
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withCanaries(inner, `${place}.${name}`)]));
  if (typeof value !== 'string' || /^[\da-f]{8}-[\da-f]{4}-/.test(value)) return value;
  if (/^\S+@\S+$/.test(value)) return `${canary(place)}@example.com`;
  if (/^https?:/.test(value)) return `http://nowhere.invalid/${canary(place)}?token=${canary(place)}`;
  return canary(place);
}

/** As above, but only in one text at a time, so that the others do not keep it from being looked at; at most so many. */
function oneCanaryAtATime(example: Record<string, unknown>, route: string): Record<string, unknown>[] {
  return Object.keys(example).map((field) => ({ ...example, [field]: withCanaries(example[field], `${route} ${field}`) }));
}

const pathOf = (route: string, id: (name: string) => string): string => route.split(' ')[1]!.replaceAll(/:(\w+)/g, (_, name: string) => id(name));
const formOf = (fields: Record<string, unknown>, route: string, content = canary(`${route} file`)): FormData => {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) if (name !== 'file') form.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  form.set('file', new File([content], `${canary(`${route} file name`)}.txt`, { type: `text/${canary(`${route} type`)}` }));
  return form;
};

describe('what operators get to see of requests and jobs', () => {
  let database: TestDatabase;
  let dataDir: string;
  let site: WebServer;
  let collector: OtlpCollector;
  let server: ServerProcess;
  let tenant: Tenant;
  let admin: ApiClient;
  /** Real ones, which must not be found either. The password of the people is also that of the example in the welcome, so it is looked for in the log alone. */
  const secrets: string[] = [ADMIN.password];

  beforeAll(async () => {
    [database, dataDir, site, collector] = await Promise.all([TestDatabase.create(), mkdtemp(path.join(tmpdir(), 'morag-canaries-')), WebServer.start(), OtlpCollector.start()]);
    server = await ServerProcess.start({
      NODE_ENV: 'test', LOG_LEVEL: 'trace', DATABASE_URL: database.url, DATA_DIR: dataDir, OUTBOUND_ALLOW: site.host,
      ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password, OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_SERVICE_NAME: 'morag-under-test',
    });
    tenant = await createTenant(server.client);
    admin = server.client.asUser(await signIn(server.client, ADMIN.email, ADMIN.password));
    secrets.push(tenant.token);
    // So that none of what follows is refused for its number.
    await database.query('UPDATE tenant_quotas SET hard_limit = NULL');
  });
  afterAll(async () => {
    await server.end('SIGKILL');
    await Promise.all([site.stop(), collector.stop(), database.drop(), rm(dataDir, { recursive: true, force: true })]);
  });

  /** Whole ones: what comes through a pipe may end in the middle of the next. */
  const lines = (): Record<string, unknown>[] =>
    server.printed
      .slice(0, server.printed.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  /** The numbers of the canaries that are in a text, as where they were sent. */
  function found(text: string): string[] {
    const hits = [...text.matchAll(new RegExp(`${CANARY}(\\d+)x`, 'gi'))].map(([, at]) => places[Number(at)]!);
    return [...new Set(hits), ...secrets.filter((secret) => text.includes(secret)).map((secret) => `the secret ${secrets.indexOf(secret)}`)];
  }

  it('shows an upload as one trace, from the request over its statements and its job to the vector store', async () => {
    const traceId = 'c0ffee00c0ffee00c0ffee00c0ffee01';
    const key = await createKey(tenant.client, ['ingest', 'read']);
    secrets.push(key.secret);
    const accepted = await server.client.asApiKey(key.secret).post('/api/v1/ingest/text', { title: canary('title'), content: `The ${canary('text')} sings.` }, { traceparent: `00-${traceId}-00f067aa0ba902b7-00` });
    expect(accepted.status).toBe(202);
    await waitForTask(tenant.client, accepted.body.task_id);
    const ofTrace = async (): Promise<ExportedSpan[]> => collector.spans.filter((span) => span.traceId === traceId);
    const spans = await eventually(ofTrace, (seen) => seen.some(({ kind }) => kind === KIND.CONSUMER) && seen.some(({ kind }) => kind === KIND.SERVER));

    const parents = new Map(spans.map((span) => [span.spanId, span]));
    const lineage = (span: ExportedSpan): string[] => [span.name, ...(span.parentSpanId && parents.has(span.parentSpanId) ? lineage(parents.get(span.parentSpanId)!) : [])];
    const named = (name: string): ExportedSpan => spans.find((span) => span.name === name)!;
    const request = named('POST /api/v1/ingest/text');
    expect(request).toMatchObject({ kind: KIND.SERVER, parentSpanId: '00f067aa0ba902b7' });
    expect(['http.route', 'http.response.status_code', 'morag.tenant_id'].map((name) => attributeOf(request, name))).toEqual(['/api/v1/ingest/text', 202, tenant.tenantId]);
    expect(lineage(named('INSERT documents'))).toEqual(['INSERT documents', 'transaction', 'POST /api/v1/ingest/text']);
    const job = named('job ingest');
    expect(lineage(job).at(-1)).toBe('POST /api/v1/ingest/text');
    expect(attributeOf(job, 'morag.job_id')).toBe(accepted.body.task_id);
    expect(job.events.map(({ name }) => name)).toEqual(['extracting', 'chunking', 'embedding', 'storing']);
    for (const name of ['embed documents', 'upsert EMBEDDED', 'INSERT document_chunks']) expect(lineage(named(name))).toContain('job ingest');
    expect(collector.resources[0]).toContainEqual({ key: 'service.name', value: { stringValue: 'morag-under-test' } });

    // The log tells the same.
    const ofRequest = await eventually(async () => lines().find((line) => line['trace_id'] === traceId && line['route'] !== undefined), (seen) => seen !== undefined);
    expect(ofRequest).toMatchObject({ route: '/api/v1/ingest/text', tenant_id: tenant.tenantId });
  });

  it('takes nothing from a traceparent that the standard does not have', async () => {
    for (const traceparent of ['00-00000000000000000000000000000000-00f067aa0ba902b7-01', '00-C0FFEE00C0FFEE00C0FFEE00C0FFEE02-00f067aa0ba902b7-01', 'ff-c0ffee00c0ffee00c0ffee00c0ffee02-00f067aa0ba902b7-01', '00-c0ffee00c0ffee00c0ffee00c0ffee02-00f067aa0ba902b7-01-more']) {
      const { headers: answered } = await server.client.get('/health', { traceparent });
      const line = await eventually(async () => lines().find((each) => each['request_id'] === answered.get('x-request-id')), (seen) => seen !== undefined);
      expect(line!['trace_id']).toMatch(/^(?!c0ffee|0{32})[\da-f]{32}$/);
    }
  });

  it('tells sites that users name of no trace', async () => {
    const answer = await tenant.client.post('/api/v1/ingest/url', { url: `${site.serve('/page', `<p>${canary('page')}</p>`)}?token=${canary('address')}` }, { traceparent: '00-c0ffee00c0ffee00c0ffee00c0ffee03-00f067aa0ba902b7-01' });
    expect(answer.status).toBe(202);
    expect(site.requests.at(-1)!.headers).not.toHaveProperty('traceparent');
    await waitForTask(tenant.client, answer.body.task_id);
  });

  it('says nothing of what anybody sends, however it fails', async () => {
    const routes = DOCUMENTED_ROUTES;
    expect(routes.length).toBeGreaterThan(80);
    const clientFor = (route: string): ApiClient => (route.includes('/admin/') ? admin : tenant.client);
    const statuses = new Map<number, number>();
    const send = async (client: ApiClient, route: string, address: string, body: unknown): Promise<void> => {
      const { status } = await client.send(route.split(' ')[0]!, address, body, headers(route));
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    };
    /** With every route, eight at once. */
    const withEach = async (work: (route: string) => Promise<void>): Promise<void> => {
      const queue = routes.values();
      const lane = async (): Promise<void> => {
        for (const route of queue) await work(route);
      };
      await Promise.all(Array.from({ length: 8 }, lane));
    };
    const isForm = (route: string): boolean => route === 'POST /api/v1/ingest/file' || route === 'POST /process/file';
    const exampleOf = (route: string): Record<string, unknown> => EXAMPLES[route] ?? {};
    const oddAddress = (route: string): string => `${pathOf(route, () => canary(`${route} path`))}?${canary(`${route} query`)}=${canary(`${route} query`)}`;
    const refused = async (route: string): Promise<void> => {
      if (!MUTATING.has(route.split(' ')[0]!)) return send(clientFor(route), route, oddAddress(route), undefined);
      const body = (): unknown => (isForm(route) ? formOf({}, route) : withCanaries(exampleOf(route), route));
      // For who sends it, by either credential, and then for what is sent.
      await send(server.client.asUser(canary(`${route} token`)), route, oddAddress(route), body());
      await send(server.client.asApiKey(`mk_live_${canary(`${route} key`)}`), route, oddAddress(route), body());
      const field = { [canary(`${route} field`)]: canary(`${route} value`) };
      await send(clientFor(route), route, oddAddress(route), isForm(route) ? formOf(field, route) : { ...exampleOf(route), ...field });
      return send(clientFor(route), route, pathOf(route, () => UNKNOWN), `{"${canary(`${route} broken`)}": ${canary(`${route} broken`)}`);
    };
    const looked = async (route: string): Promise<void> => {
      if (ENDS_THE_SESSION.test(route) || !MUTATING.has(route.split(' ')[0]!)) return;
      for (const body of isForm(route) ? [formOf({}, route)] : oneCanaryAtATime(exampleOf(route), route)) await send(clientFor(route), route, pathOf(route, () => UNKNOWN), body);
    };
    await withEach(refused);
    await withEach(looked);
    for (const status of [201, 202, 400, 401, 404, 422]) expect([...statuses.keys()]).toContain(status);

    // PostgreSQL puts the value that it cannot read into its message.
    for (const [table, column] of [['databases', 'description'], ['documents', 'title'], ['api_keys', 'description'], ['users', 'avatar'], ['database_servers', 'username']]) {
      await database.query(`ALTER TABLE ${table} RENAME ${column} TO ${column}_before`);
      await database.query(`ALTER TABLE ${table} ADD ${column} int`);
    }
    await withEach(looked);
    expect(statuses.get(500)).toBeGreaterThan(5);
    await eventually(async () => lines().some((line) => (line['err'] as { code?: string } | undefined)?.code === '22P02'), (seen) => seen);
  }, 120_000);

  it('says nothing of a document whose job fails', async () => {
    await database.query('ALTER TABLE documents DROP title');
    await database.query('ALTER TABLE documents RENAME title_before TO title');
    const pdf = await tenant.client.upload(`%PDF-1.7\n${canary('pdf')}`, `${canary('pdf name')}.pdf`);
    expect((await waitForTask(tenant.client, pdf.body.task_id)).status).toBe('failed');
    await database.query('ALTER TABLE document_chunks RENAME text TO text_before');
    await database.query('ALTER TABLE document_chunks ADD text int');
    const text = await tenant.client.post('/api/v1/ingest/text', { title: canary('failing title'), content: `A text: ${canary('failing text')}` });
    expect(text.status).toBe(202);
    const line = await eventually(async () => lines().find((each) => each['job_id'] === text.body.task_id), (seen) => seen !== undefined);
    // Whoever looks for the request's lines finds those of its job.
    const request = await eventually(async () => lines().find((each) => each['request_id'] === text.headers.get('x-request-id')), (seen) => seen !== undefined);
    expect(line).toMatchObject({ msg: 'a job attempt failed', tenant_id: tenant.tenantId, trace_id: request!['trace_id'], err: { code: '42804' } });
  });

  it('and in all of what the process wrote and exported there was no canary', async () => {
    expect(await server.end()).toBe(0);
    expect(found(server.printed)).toEqual([]);
    expect(server.printed.replace(/^ +-d '\{.*$/m, '')).not.toContain(PASSWORD);
    expect(found(collector.received)).toEqual([]);
    // It was looked for in something.
    expect(lines().length).toBeGreaterThan(500);
    expect(collector.spans.length).toBeGreaterThan(500);
    expect(places.length).toBeGreaterThan(2000);
    // And every line of a request or a job says which one it was.
    for (const line of lines().filter((each) => each['route'] !== undefined)) expect(line).toMatchObject({ request_id: expect.any(String), trace_id: expect.stringMatching(/^[\da-f]{32}$/) });
  });
});
