// `npm run audit:verify`: recomputes the chains of the audit and names the first row of each that was altered, removed, inserted or moved.
// It changes nothing, and works beside a running server, on the same database, and also where none runs.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { buildIfStale } from './build.mjs';
import { newEnoughNode } from './node24.mjs';
import { builtPart, withServer } from './server-parts.mjs';

const HELP = `npm run audit:verify [-- --tenant ID] [--anchor FILE] [--write-anchor FILE]

Verifies the audit of all tenants, also of those that are gone; reads the server's variables (DATABASE_URL, DATA_DIR).
  --tenant ID           only the chain of this tenant; the nil UUID is the installation's own
  --anchor FILE         compares with the heads of an earlier time as well, so that a chain that was cut off or made anew is found
  --write-anchor FILE   writes the heads, when all is well; keep the file where nobody reaches it who could change the database
It ends with 0 when all is well, with 1 when anything is wrong, and with 2 when it could not be done.`;

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

function readArguments() {
  const { values } = parseArgs({ options: { tenant: { type: 'string' }, anchor: { type: 'string' }, 'write-anchor': { type: 'string' }, help: { type: 'boolean' } } });
  const tenant = values.tenant?.toLowerCase();
  if (tenant !== undefined && !UUID.test(tenant)) throw new Error('--tenant must be the id of a tenant, a UUID.');
  return { ...values, tenant };
}

function readAnchors(file) {
  if (file === undefined) return new Map();
  const { heads } = JSON.parse(readFileSync(file, 'utf8'));
  for (const [id, head] of Object.entries(heads)) if (!UUID.test(id) || !Number.isSafeInteger(head.sequence) || !/^[\da-f]{64}$/.test(head.hash)) throw new Error(`${file} is no file of anchors.`);
  return new Map(Object.entries(heads));
}

function print({ tenantId, entries, erased, head, problem }) {
  const without = erased > 0 ? `, ${erased} of them without details` : '';
  console.log(problem === null ? `${tenantId}  ${entries} entries${without}, head ${head ? `${head.sequence} ${head.hash}` : 'none'}` : `${tenantId}  BROKEN: ${problem}`);
}

async function verify({ tenant, anchor, 'write-anchor': target }) {
  const anchors = readAnchors(anchor);
  return withServer(async (app) => {
    const { AuditVerification } = await builtPart('audit/audit-verification.js');
    const heads = {};
    const count = { chains: 0, broken: 0 };
    for await (const report of app.get(AuditVerification, { strict: false }).verify(tenant, anchors)) {
      print(report);
      count.chains += 1;
      if (report.problem !== null) count.broken += 1;
      if (report.head) heads[report.tenantId] = report.head;
    }
    console.log(`${count.chains} chains verified: ${count.broken === 0 ? 'all is well.' : `${count.broken} broken.`}`);
    if (count.broken > 0) return 1;
    if (target !== undefined) writeFileSync(target, `${JSON.stringify({ written_at: new Date().toISOString(), heads }, null, 2)}\n`);
    return 0;
  });
}

await newEnoughNode();
try {
  const values = readArguments();
  if (values.help) console.log(HELP);
  else if (await buildIfStale()) process.exitCode = await verify(values);
  else process.exitCode = 2;
} catch (error) {
  console.error(`audit:verify: ${error.message}`);
  process.exitCode = 2;
}
