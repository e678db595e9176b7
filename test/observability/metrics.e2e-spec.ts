import { readFileSync } from 'node:fs';
import type { Gauge } from 'prom-client';
import { v7 as uuidv7 } from 'uuid';
import { parse } from 'yaml';
import { mintKey } from '../../src/api-keys/key-format.js';
import { VERSION } from '../../src/common/version.js';
import { Metrics } from '../../src/metrics/metrics.js';
import { RedisRateLimits } from '../../src/rate-limits/redis.rate-limits.js';
import type { ApiClient } from '../support/api-client.js';
import { createKey, createTenant, eventually, ingestText, type Tenant } from '../support/factories.js';
import { seedTenants } from '../support/large-installation.js';
import { TestApp } from '../support/test-app.js';

const TENANTS = 50;

/** `name{labels}` and value of each line. */
async function scrape(server: TestApp): Promise<Map<string, number>> {
  const { body } = await server.anonymous.get<string>('/metrics');
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]));
}

describe('the metrics', () => {
  let server: TestApp;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start();
    tenant = await createTenant(server.anonymous);
    await server.database.query(`INSERT INTO pgboss.job (name, state, start_after) VALUES ('purge-tenant', 'created', now() + interval '1 day')`);
    await server.database.query(`INSERT INTO events (tenant_id, type, payload, created_at, due_at, attempts) VALUES ($1, 'test.stuck', '{}', now() - interval '2 minutes', now() + interval '1 day', 3)`, [tenant.tenantId]);
  });
  afterAll(() => server.stop());

  /** How much a series has grown while `work` ran. */
  async function growthOf(series: string, work: () => Promise<unknown>): Promise<number> {
    const before = (await scrape(server)).get(series) ?? 0;
    await work();
    return ((await scrape(server)).get(series) ?? 0) - before;
  }

  it('count requests by method, route and class of status, and time them', async () => {
    const get = async (): Promise<void> => {
      expect((await tenant.client.get('/api/v1/documents?limit=1')).status).toBe(200);
      expect((await tenant.client.get('/api/v1/documents?limit=nonsense')).status).toBe(400);
    };
    expect(await growthOf('morag_http_requests_total{method="GET",route="/api/v1/documents",status="2xx"}', get)).toBe(1);
    expect(await growthOf('morag_http_requests_total{method="GET",route="/api/v1/documents",status="4xx"}', get)).toBe(1);
    expect(await growthOf('morag_http_request_duration_seconds_count{method="GET",route="/api/v1/documents"}', get)).toBe(2);
    expect(await growthOf('morag_http_requests_total{method="GET",route="none",status="4xx"}', () => tenant.client.get(`/${uuidv7()}`))).toBe(1);
  });

  it('say how jobs end and where their time goes, what the stores do, and what waits', async () => {
    const before = await scrape(server);
    await ingestText(tenant.client, 'A page', 'One chunk.');
    await tenant.client.post('/api/v1/search', { query: 'chunk' });
    const grown = await eventually(
      async () => new Map([...(await scrape(server))].map(([series, value]) => [series, value - (before.get(series) ?? 0)])),
      (seen) => (seen.get('morag_job_attempts_total{kind="ingest",result="finished"}') ?? 0) > 0,
    );
    expect(grown.get('morag_job_attempts_total{kind="ingest",result="finished"}')).toBe(1);
    for (const stage of ['start', 'extracting', 'chunking', 'embedding', 'storing']) expect(grown.get(`morag_job_stage_duration_seconds_count{kind="ingest",stage="${stage}"}`)).toBe(1);
    for (const operation of ['upsert', 'search']) expect(grown.get(`morag_vector_store_duration_seconds_count{store="EMBEDDED",operation="${operation}"}`)).toBe(1);
    expect(grown.get('morag_db_pool_acquire_seconds_count')).toBeGreaterThan(5);

    const seen = await scrape(server);
    expect(seen.get('morag_queue_delayed{queue="purge-tenant"}')).toBe(1);
    expect(seen.get('morag_events{state="retried"}')).toBe(1);
    expect(seen.get('morag_events_oldest_seconds')).toBeGreaterThanOrEqual(120);
    expect(seen.get('morag_workers{state="alive"}')).toBe(1);
    expect(seen.get(`morag_build_info{version="${VERSION}",node="${process.version}"}`)).toBe(1);
  });

  it('say what is refused, and how the dependencies are', async () => {
    await server.database.query(`UPDATE tenant_quotas SET hard_limit = 0 WHERE tenant_id = $1 AND resource = 'databases'`, [tenant.tenantId]);
    const create = async (): Promise<void> => expect((await tenant.client.post('/api/v1/databases', { name: 'one-more' })).body.code).toBe('quota_exceeded');
    expect(await growthOf('morag_quota_refused_total{resource="databases"}', create)).toBe(1);
    const up = (seen: Map<string, number>): unknown[] => ['database', 'vector_store', 'blob_store', 'embeddings'].map((dependency) => seen.get(`morag_dependency_up{dependency="${dependency}"}`));
    // On a busy machine one of them may not answer in time, and is asked again some seconds later.
    const seen = await eventually(() => scrape(server), (scraped) => up(scraped).every((value) => value === 1));
    expect(up(seen)).toEqual([1, 1, 1, 1]);
    expect(seen.get('morag_disk_free_bytes{dependency="blob_store"}')).toBeGreaterThan(0);
  });

  it('do not grow with tenants, addresses, methods or what is sent', async () => {
    const traffic = async (client: ApiClient): Promise<void> => {
      const odd = uuidv7();
      for (const path of ['/api/v1/documents', `/api/v1/documents/${odd}`, `/api/v1/jobs/${odd}?x=${odd}`, `/${odd}`, `/api/v1/${odd}/..%2f${odd}`, '/metrics/x']) await client.get(path, { 'x-odd': odd, 'user-agent': odd });
      for (const method of ['PROPFIND', 'REPORT', 'OPTIONS', 'PUT', 'MKCOL', 'LOCK']) await client.send(method, `/${odd}`);
      await client.post('/api/v1/databases', { name: odd });
      await client.post('/api/v1/search', { query: odd });
      await server.anonymous.asApiKey(odd).get('/api/v1/documents');
    };
    const { client } = await createKey(tenant.client, ['read', 'write', 'search']);
    // For a moment after the key was made nothing of its tenant is remembered.
    const before = await eventually(async () => (await traffic(client), scrape(server)), (seen) => seen.has('morag_cache_lookups_total{cache="api_keys",outcome="hit"}'));

    const others = (await seedTenants(server.database, TENANTS + 10)).filter(({ isOverQuota }) => !isOverQuota).slice(0, TENANTS);
    const keys = others.map(({ id }) => ({ id, ...mintKey('live') }));
    await server.database.query(`UPDATE tenants SET status = 'active'`);
    await server.database.query(`UPDATE users SET is_active = true, role = 'USER' WHERE tenant_id = ANY ($1)`, [others.map(({ id }) => id)]);
    for (const { id, hash, prefix } of keys) {
      await server.database.query(
        `INSERT INTO api_keys (id, tenant_id, user_id, name, key_hash, key_prefix, environment, permissions, lineage_id) VALUES ($1, $1, $1, 'key', $2, $3, 'live', ARRAY['read', 'write', 'search'], $1)`,
        [id, hash, prefix],
      );
    }
    expect((await server.anonymous.asApiKey(keys[0]!.secret).get('/api/v1/documents')).status).toBe(200);
    await Promise.all(keys.map(({ secret }) => traffic(server.anonymous.asApiKey(secret))));
    const after = await scrape(server);
    // Of Node itself and of tasks by the clock there may be something that happens first now.
    expect([...after.keys()].filter((series) => !before.has(series) && !/^(?:nodejs|process|morag_job)_/.test(series))).toEqual([]);
    expect([...after.keys()].join('\n')).not.toMatch(/[\da-f]{8}-[\da-f]{4}-/);
  });

  describe('of the dashboard and the alerts', () => {
    interface Rule {
      alert: string;
      expr: string;
      labels: { severity: string };
      annotations: { summary: string; runbook: string };
    }
    const dashboard = JSON.parse(readFileSync('deploy/grafana-dashboard.json', 'utf8')) as { panels: { title: string; type: string; targets?: { expr: string }[] }[]; templating: { list: { name: string; type: string }[] } };
    const rules = (parse(readFileSync('deploy/prometheus-alerts.yml', 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);

    /** Each metric that an expression names, with the labels by which it chooses, and those by which it adds up. */
    function namesIn(expr: string): { name: string; labels: string[] }[] {
      return [...expr.matchAll(/\b((?:morag|process|nodejs)_\w+)(?:\{([^}]*)\})?/g)].map(([, name, matchers]) => ({ name: name!, labels: [...(matchers ?? '').matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label!) }));
    }

    it('all exist, with the labels by which they are chosen', () => {
      const { registry } = server.app.get(Metrics);
      // As it would be with REDIS_URL; nothing connects.
      new RedisRateLimits('redis://127.0.0.1:1', server.app.get(Metrics));
      const panels = dashboard.panels.filter(({ type }) => type !== 'row');
      const expressions = [...panels.flatMap(({ targets }) => targets!.map(({ expr }) => expr)), ...rules.map(({ expr }) => expr)];
      const named = expressions.flatMap(namesIn);
      expect(named.length).toBeGreaterThan(60);
      for (const { name, labels } of named) {
        const metric = (registry.getSingleMetric(name) ?? registry.getSingleMetric(name.replace(/_(?:bucket|count|sum)$/, ''))) as (Gauge & { labelNames: string[] }) | undefined;
        expect([name, metric !== undefined]).toEqual([name, true]);
        // Prometheus adds `instance` itself.
        expect({ name, unknown: labels.filter((label) => label !== 'instance' && !metric!.labelNames.includes(label)) }).toEqual({ name, unknown: [] });
      }
      // And of ours none is forgotten, nor undocumented.
      const shown = new Set(named.map(({ name }) => name.replace(/_(?:bucket|count|sum)$/, '')));
      const ours = registry.getMetricsAsArray().map(({ name }) => name).filter((name) => name.startsWith('morag_'));
      expect(ours.filter((name) => !shown.has(name))).toEqual([]);
      const documentation = readFileSync('docs/observability.md', 'utf8');
      expect([...ours, ...rules.map(({ alert }) => alert)].filter((name) => !documentation.includes(`\`${name}\``))).toEqual([]);
    });

    it('come with a title, a severity and what to do', () => {
      expect(dashboard.templating.list[0]).toMatchObject({ name: 'datasource', type: 'datasource' });
      for (const { alert, labels, annotations } of rules) expect({ alert, severity: labels.severity, summary: annotations.summary.length > 10, runbook: annotations.runbook.length > 60 }).toEqual({ alert, severity: expect.stringMatching(/^(?:warning|critical)$/), summary: true, runbook: true });
      expect(JSON.parse(readFileSync('package.json', 'utf8'))).toMatchObject({ version: VERSION });
    });
  });
});
