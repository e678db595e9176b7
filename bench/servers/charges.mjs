// Charges quotas as fast as they are taken, over so many connections: as the server does, or as plain clients would.
import pg from 'pg';
import { DataSource } from 'typeorm';
import { serve } from './child.mjs';

const from = (file) => import(`../../dist/src/${file}`);
const CONNECTIONS = 10;
/** What a small document costs. */
const COST = { documents: 1, storage_mb: 1000 };

/** In a transaction of `Transactions`, by `QuotasService`: role, tenant and time limits are set, three round trips in all. */
async function asTheServer(url) {
  const [{ runtimeOptions }, { Transactions }, { QuotaEntity }, { QuotasRepository }, { QuotasService }, { Metrics }] = await Promise.all(
    ['persistence/data-source.js', 'persistence/transactions.js', 'tenancy/quota.entity.js', 'tenancy/quotas.repository.js', 'tenancy/quotas.service.js', 'metrics/metrics.js'].map(from),
  );
  const source = await new DataSource({ ...runtimeOptions(url, CONNECTIONS), entities: [QuotaEntity] }).initialize();
  const [transactions, quotas] = [new Transactions(source), new QuotasService(new QuotasRepository(), new Metrics())];
  const charge = (tenantId) => transactions.forTenant(tenantId, (tx) => quotas.take(tx, COST));
  return { charges: Array.from({ length: CONNECTIONS }, () => charge), close: () => source.destroy() };
}

/** The same statement under the same policies, each a transaction by itself, on connections that are one tenant's for good. */
async function asPlainClients(url, tenantId) {
  const [{ QuotasRepository }, { QuotasService }, { Metrics }] = await Promise.all(['tenancy/quotas.repository.js', 'tenancy/quotas.service.js', 'metrics/metrics.js'].map(from));
  const quotas = new QuotasService(new QuotasRepository(), new Metrics());
  const clients = Array.from({ length: CONNECTIONS }, () => new pg.Client({ connectionString: url, options: `-c role=morag_app -c app.tenant_id=${tenantId}` }));
  await Promise.all(clients.map((client) => client.connect()));
  const charges = clients.map((client) => {
    const manager = { query: async (sql, values) => (await client.query(sql, values)).rows };
    return () => quotas.take({ tenantId, manager }, COST);
  });
  return { charges, close: () => Promise.all(clients.map((client) => client.end())) };
}

async function round({ charges }, tenantIds, seconds) {
  const latencies = [];
  const begun = performance.now();
  const loop = async (charge) => {
    for (let now = performance.now(); now - begun < seconds * 1000; ) {
      await charge(tenantIds[Math.floor(Math.random() * tenantIds.length)]);
      const before = now;
      now = performance.now();
      latencies.push(now - before);
    }
  };
  await Promise.all(charges.map(loop));
  const taken = (performance.now() - begun) / 1000;
  latencies.sort((a, b) => a - b);
  const quantile = (share) => latencies[Math.floor(latencies.length * share)];
  return { answers: latencies.length, seconds: taken, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}

const { DATABASE_URL: url, PLAIN_TENANT: plainTenant } = process.env;
const charging = await (plainTenant === undefined ? asTheServer(url) : asPlainClients(url, plainTenant));
process.on('message', (message) => {
  if (message.tenantIds === undefined) return;
  round(charging, message.tenantIds, message.seconds).then(
    (result) => process.send(result),
    (error) => process.send({ failure: error.stack }),
  );
});
serve(url, () => charging.close());
