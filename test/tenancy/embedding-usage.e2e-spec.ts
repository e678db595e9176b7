import type { TenantUsageDto } from '../../src/tenancy/dto/tenant-usage.dto.js';
import { Months } from '../../src/persistence/months.js';
import { UsageRollUp } from '../../src/tenancy/usage-roll-up.js';
import { UsageService } from '../../src/tenancy/usage.service.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { createTenant, eventually, ingestText, type Tenant } from '../support/factories.js';
import { staysWithinTheHour } from '../support/hour.js';
import { insistOn } from '../support/insisting.js';
import { TestApp } from '../support/test-app.js';

describe('the usage of embeddings', () => {
  let embeddings: EmbeddingServer;
  let server: TestApp;
  let worker: TestApp;
  let tenant: Tenant;

  beforeAll(async () => {
    embeddings = await EmbeddingServer.start();
    const env = { ...embeddings.env, OUTBOUND_ALLOW: '127.0.0.1' };
    server = await TestApp.start({ ...env, ROLE: 'api' });
    worker = await server.beside({ ...env, ROLE: 'worker' });
    tenant = await createTenant(server.anonymous);
  });
  afterAll(async () => {
    await worker.app.close();
    await server.stop();
    await embeddings.stop();
  });

  const usageOf = async ({ client }: Tenant, query = ''): Promise<TenantUsageDto> => {
    await server.app.get(UsageService, { strict: false }).flush();
    return (await client.get<TenantUsageDto>(`/api/v1/tenant/usage${query}`)).body;
  };
  const amount = ({ totals }: TenantUsageDto): object => ({ texts: totals.embedding_texts, tokens: totals.embedding_tokens });
  const asked = (): object => ({ texts: embeddings.embedded.length, tokens: embeddings.tokens });
  /** The worker writes within a second or two. */
  const eventuallyAsked = (): Promise<unknown> => eventually(async () => amount(await usageOf(tenant)), (seen) => JSON.stringify(seen) === JSON.stringify(asked()));

  it('is what the provider counted: of documents in one server, of questions in another, of a reindex, and of databases with an endpoint of their own', async () => {
    const text = 'The harbour has a lighthouse. '.repeat(400);
    await ingestText(tenant.client, 'Harbour', text);
    expect(embeddings.embedded.length).toBeGreaterThan(2);
    for (const query of ['lighthouse', 'harbour']) expect((await tenant.client.post('/api/v1/search', { query })).status).toBe(200);
    await eventuallyAsked();
    const before = embeddings.embedded.length;

    const own = await tenant.client.post<{ id: string }>('/api/v1/databases', { name: 'own', ...embeddings.choice });
    expect(own.status).toBe(201);
    await ingestText(tenant.client, 'Harbour', text, { database: 'own' });
    const reindexed = await tenant.client.post(`/api/v1/databases/${own.body.id}/reindex`, {});
    expect(reindexed).toMatchObject({ status: 202 });
    await eventually(async () => (await tenant.client.get<{ status: string }>(`/api/v1/databases/${own.body.id}/reindex`)).body.status, (status) => status === 'FINISHED');
    expect(embeddings.embedded.length).toBeGreaterThan(before + 4);
    await eventuallyAsked();
  });

  it('stands beside the series and the totals, however calls are told apart, and belongs to no key and no route', async () => {
    await tenant.client.post('/api/v1/search', { query: 'once more' });
    for (const by of ['none', 'api_key', 'route']) {
      for (const granularity of ['hour', 'day']) {
        const body = await usageOf(tenant, `?group_by=${by}&granularity=${granularity}`);
        expect(amount(body)).toEqual(asked());
        expect(body.series.reduce((sum, point) => sum + point.embedding_tokens, 0)).toBe(body.totals.embedding_tokens);
        expect(body.series.reduce((sum, point) => sum + point.embedding_texts, 0)).toBe(body.totals.embedding_texts);
        expect(body.series[0]).toMatchObject({ embedding_texts: 0, embedding_tokens: 0 });
        for (const group of body.groups) for (const part of [group, ...group.series]) expect(part).not.toHaveProperty('embedding_texts');
      }
    }
  });

  it('is nobody else’s, and nothing where an answer was refused', async () => {
    const other = await createTenant(server.anonymous);
    expect(amount(await usageOf(other))).toEqual({ texts: 0, tokens: 0 });
    embeddings.refusals = [400];
    expect((await other.client.post('/api/v1/search', { query: 'refused', mode: 'vector' })).status).toBe(422);
    expect(amount(await usageOf(other))).toEqual({ texts: 0, tokens: 0 });
    const { body } = await server.anonymous.get<string>('/metrics');
    expect(body).toMatch(/^morag_embedding_failures_total\{provider="openai",code="rejected"\} 1$/m);
    expect(body).not.toContain(other.tenantId);
  });

  it('is kept for 400 days and until the last day of its month is as old', async () => {
    await staysWithinTheHour(10_000);
    const old = await createTenant(server.anonymous);
    const insert = (days: number): Promise<unknown> =>
      server.database.query(`INSERT INTO embedding_usage VALUES ($1, date_trunc('day', now(), 'UTC') - make_interval(days => $2), 2, 30)`, [old.tenantId, days]);
    for (const days of [399, 400, 432, 500]) await insert(days);
    await insistOn(() => server.app.get(Months, { strict: false }).open());
    await insistOn(() => server.app.get(UsageRollUp, { strict: false }).run(new AbortController().signal));
    const [kept] = await server.database.query('SELECT count(*)::int AS n FROM embedding_usage WHERE tenant_id = $1', [old.tenantId]);
    expect(kept).toEqual({ n: 2 });
    const now = Date.now();
    const range = `?from=${new Date(now - 400 * 86_400_000).toISOString()}&to=${new Date(now).toISOString()}`;
    expect(amount(await usageOf(old, range))).toEqual({ texts: 4, tokens: 60 });
  });
});
