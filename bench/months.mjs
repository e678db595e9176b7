// `node bench/months.mjs`: what it costs that tables lie in months, by how many there are. Times of PostgreSQL's own (EXPLAIN's), medians, on one
// connection to an embedded PostgreSQL with a thousand entries and deliveries of a tenant a month. Prints a table and writes bench/results/months.json.
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { buildIfStale, root } from '../scripts/build.mjs';
import { newEnoughNode } from '../scripts/node24.mjs';

const COUNTS = [1, 14, 26];
const ROUNDS = 60;
const TENANT = '019a0000-0000-7000-8000-000000000001';
const ID = (time) => `(lpad(to_hex((extract(epoch FROM ${time}) * 1000)::bigint), 12, '0') || '7' || right(replace(gen_random_uuid()::text, '-', ''), 19))::uuid`;

await newEnoughNode();
if (!(await buildIfStale())) throw new Error('The build failed.');
const built = (path) => import(join(root, 'dist/src', path));
const [{ EmbeddedPostgres }, { setUpDatabase }, { openMonth }] = await Promise.all([built('persistence/embedded-postgres.js'), built('persistence/database-setup.js'), built('persistence/months.js')]);
const [{ AuditRepository }, { UsageReportsRepository }, { OutgoingRepository }] = await Promise.all([
  built('audit/audit.repository.js'), built('tenancy/usage-reports.repository.js'), built('webhooks/deliveries/outgoing.repository.js'),
]);

/** The statement that a repository sends. */
async function statementOf(call) {
  let asked;
  await call({ tenantId: TENANT, manager: { query: async (...statement) => ((asked = statement), []) } });
  return asked;
}

const DAY = 86_400_000;
const now = Date.now();
const STATEMENTS = {
  'audit, newest page': ['morag_app', ...(await statementOf((tx) => new AuditRepository().listNewestFirst(tx, { tenantId: TENANT }, { limit: 51, before: null })))],
  'audit, by action, of a week': ['morag_app', ...(await statementOf((tx) => new AuditRepository().listNewestFirst(tx, { tenantId: TENANT, action: 'document.created', createdAfter: new Date(now - 7 * DAY) }, { limit: 51, before: null })))],
  'deliveries, newest page': ['morag_app', 'SELECT * FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id = $2 ORDER BY id DESC LIMIT 51', [TENANT, TENANT]],
  'one delivery by its id': ['morag_app', 'SELECT * FROM webhook_deliveries WHERE tenant_id = $1 AND id = $2', [TENANT, '01a19467-e800-7000-8000-000000000000']],
  'deliveries that are due': ['morag_system', ...(await statementOf((tx) => new OutgoingRepository().claim(tx, [], { total: 32, perTenant: 12, perLane: 4 })))],
  'usage of 30 days, by day': ['morag_app', ...(await statementOf((tx) => new UsageReportsRepository().sumBy(tx, { from: new Date(now - 30 * DAY), to: new Date(now) }, ['day'])))],
};

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

async function time(client, role, sql, values) {
  const times = { planning: [], execution: [] };
  for (let round = 0; round < ROUNDS; round++) {
    await client.query('BEGIN');
    await client.query(`SELECT set_config('role', $1, true), set_config('app.tenant_id', $2, true)`, [role, TENANT]);
    const { rows } = await client.query(`EXPLAIN (ANALYZE, TIMING OFF, SUMMARY ON, FORMAT JSON) ${sql}`, values);
    await client.query('ROLLBACK');
    const [plan] = rows[0]['QUERY PLAN'];
    times.planning.push(plan['Planning Time']);
    times.execution.push(plan['Execution Time']);
  }
  return { planning: median(times.planning), execution: median(times.execution) };
}

/** A change that is audited, with its commit: the entry, its link, the head. */
async function timeAudited(client) {
  const times = [];
  for (let round = 0; round < 5 * ROUNDS; round++) {
    const begun = performance.now();
    await client.query(`INSERT INTO audit_entries (tenant_id, actor_type, action, target_type) VALUES ($1, 'system', 'tenant.tried', 'tenant')`, [TENANT]);
    times.push(performance.now() - begun);
  }
  return { planning: 0, execution: median(times) };
}

async function seed(client) {
  await client.query('SET session_replication_role = replica');
  await client.query('INSERT INTO tenants (id) VALUES ($1)', [TENANT]);
  await client.query(`INSERT INTO webhooks (tenant_id, id, url, events, secret) VALUES ($1, $1, 'http://127.0.0.1:9/', '{*}', '')`, [TENANT]);
  await client.query('SET session_replication_role = DEFAULT');
}

async function fill(client, month) {
  const at = `'${month}'::timestamptz + n * interval '30 minutes'`;
  await client.query('SET session_replication_role = replica');
  await client.query(`INSERT INTO audit_entries (tenant_id, id, created_at, actor_type, action, target_type) SELECT $1, ${ID(`(${at})`)}, ${at}, 'user', 'document.created', 'document' FROM generate_series(0, 999) n`, [TENANT]);
  await client.query(
    `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, lane, event_type, event_at, data, status) SELECT $1::uuid, ${ID(`(${at})`)}, $1::uuid, $1::text, 'document.ingested', ${at}, '{}', 'delivered' FROM generate_series(0, 999) n`,
    [TENANT],
  );
  await client.query(`INSERT INTO usage_daily SELECT $1::uuid, (${at})::date, gen_random_uuid(), 'GET /', 2, 1, 1, 1, 1, '{1}' FROM generate_series(0, 999) n`, [TENANT]);
  await client.query('SET session_replication_role = DEFAULT');
}

const dataDir = await mkdtemp(join(tmpdir(), 'morag-months-'));
await chmod(dataDir, 0o755);
const embedded = await EmbeddedPostgres.join(dataDir, console.warn);
const findings = [];
try {
  await setUpDatabase(embedded.url, { production: true, warn: console.warn });
  const client = new pg.Client({ connectionString: embedded.superuserUrl.replace(/[^/]*$/, 'morag') });
  await client.connect();
  await seed(client);
  const ask = async (sql, values) => (await client.query(sql, values)).rows;
  let filled = 0;
  for (const count of COUNTS) {
    for (; filled < count; filled++) {
      const [{ month }] = await ask(`SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => $1))::date::text AS month`, [filled]);
      for (const family of ['usage_hourly', 'usage_daily', 'audit_entries', 'webhook_deliveries']) await openMonth(ask, family, month);
      await fill(client, month);
    }
    await client.query('VACUUM ANALYZE');
    for (const [name, [role, sql, values]] of Object.entries(STATEMENTS)) findings.push({ name, months: count, ...(await time(client, role, sql, values)) });
    findings.push({ name: 'an audited change, with its commit', months: count, ...(await timeAudited(client)) });
  }
  await client.end();
} finally {
  await embedded.leave();
  await rm(dataDir, { recursive: true, force: true });
}

const load = loadavg()[0];
console.log(`Median ms to plan + to execute, with so many months in which there are rows (and three more partitions each); load ${load.toFixed(1)}\n`);
console.log(`| | ${COUNTS.join(' | ')} |\n|---|${COUNTS.map(() => '---|').join('')}`);
for (const name of new Set(findings.map((finding) => finding.name))) {
  console.log(`| ${name} | ${findings.filter((finding) => finding.name === name).map(({ planning, execution }) => `${planning.toFixed(2)} + ${execution.toFixed(2)}`).join(' | ')} |`);
}
await mkdir(join(root, 'bench/results'), { recursive: true });
await writeFile(join(root, 'bench/results/months.json'), `${JSON.stringify({ at: new Date().toISOString(), load, findings }, null, 2)}\n`);
