// `npm run reconcile`: compares counters, files and vectors with the rows, of all tenants or one, and repairs what can be repaired.
// It works beside a running server, on the same database and the same data directory, and also where none runs.
import { parseArgs } from 'node:util';
import { buildIfStale } from './build.mjs';
import { newEnoughNode } from './node24.mjs';
import { builtPart, withServer } from './server-parts.mjs';

const HELP = `npm run reconcile [-- --repair] [--tenant ID]

Compares the counters of the quotas with what there is, and files and vectors with the rows; reads the server's variables (DATABASE_URL, DATA_DIR, BLOB_STORE).
  --repair      sets counters right, and removes files that no document has had for a day
  --tenant ID   only the counters of this tenant, no files and no vectors
It ends with 0 when all is well or was repaired, with 1 when drift is left, and with 2 when it could not be done.`;

function readArguments() {
  const { values } = parseArgs({ options: { repair: { type: 'boolean', default: false }, tenant: { type: 'string' }, help: { type: 'boolean' } } });
  if (values.tenant !== undefined && !/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(values.tenant)) throw new Error('--tenant must be the id of a tenant, a UUID.');
  return values;
}

function printCounters(report) {
  const { tenantsChecked, tenantsWithDrift, drifts, driftCount, isRepaired } = report;
  console.log(`Counters of ${tenantsChecked} tenants compared: ${driftCount === 0 ? 'no drift.' : `${driftCount} differ, of ${tenantsWithDrift} tenants${isRepaired ? ', and were repaired' : ''}.`}`);
  if (driftCount === 0) return;
  const state = ({ recorded, recordedReserved }) => `${recorded} + ${recordedReserved}`;
  console.table(drifts.map((drift) => ({ tenant: drift.tenantId, resource: drift.resource, 'counter (used + reserved)': state(drift), 'there is': `${drift.counted} + ${drift.countedReserved}` })));
  if (drifts.length < driftCount) console.log(`… and ${driftCount - drifts.length} more.`);
}

function printStores({ blobsChecked, orphanBlobs, orphanBytes, removedBlobs, documentsChecked, missingBlobs, collectionsChecked, collectionsSkipped, collectionsWithDrift, examples }) {
  console.log(`${blobsChecked} files looked at: ${orphanBlobs} without a document (${orphanBytes} bytes), of which ${removedBlobs} were removed.`);
  for (const key of examples.orphanBlobs) console.log(`  ${key}`);
  console.log(`${documentsChecked} documents looked at: ${missingBlobs} without their file.`);
  for (const key of examples.missingBlobs) console.log(`  ${key}`);
  console.log(`${collectionsChecked} collections counted: ${collectionsWithDrift} with more or fewer vectors than their documents have chunks; ${collectionsSkipped} were changing.`);
  for (const { tenantId, id, recorded, counted } of examples.collections) console.log(`  database ${id} of tenant ${tenantId}: ${recorded} chunks, ${counted} vectors`);
}

async function reconcile({ repair, tenant }) {
  return withServer(async (app) => {
    const [{ QuotaReconciliation }, { StoreReconciliation }] = await Promise.all(['tenancy/quota-reconciliation.service.js', 'documents/store-reconciliation.service.js'].map(builtPart));
    const counters = await app.get(QuotaReconciliation, { strict: false }).reconcile({ repair, tenantId: tenant?.toLowerCase() });
    printCounters(counters);
    let left = repair ? 0 : counters.driftCount;
    if (tenant === undefined) {
      const stores = await app.get(StoreReconciliation, { strict: false }).reconcile({ repair });
      printStores(stores);
      left += stores.orphanBlobs - stores.removedBlobs + stores.missingBlobs + stores.collectionsWithDrift;
    }
    return left === 0 ? 0 : 1;
  });
}

await newEnoughNode();
try {
  const values = readArguments();
  if (values.help) console.log(HELP);
  else if (await buildIfStale()) process.exitCode = await reconcile(values);
  else process.exitCode = 2;
} catch (error) {
  console.error(`reconcile: ${error.message}`);
  process.exitCode = 2;
}
