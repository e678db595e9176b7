// `npm run backup`: copies an installation, while its server runs or not, into a directory from which `npm run restore` makes it again.
import { parseArgs } from 'node:util';
import { buildIfStale } from './build.mjs';
import { newEnoughNode } from './node24.mjs';

const HELP = `npm run backup -- --out DIR [--without-secrets]

Copies the database, the files and the vectors of the built-in store, as they are at one moment; a server may run meanwhile. Reads the server's variables.
  --out DIR           a directory that is not there yet, or is empty; it appears when the backup is whole, and only its owner may read it
  --without-secrets   leaves out the secrets that the server made for itself in DATA_DIR; those from the environment are never in it
It ends with 0 when the backup is whole, and with 1 when there is none. docs/backup-and-upgrade.md says what is in it and what is not.`;

await newEnoughNode();
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopping.abort(new Error('stopped; there is no backup')));
try {
  const { values } = parseArgs({ options: { out: { type: 'string' }, 'without-secrets': { type: 'boolean', default: false }, help: { type: 'boolean' } } });
  if (values.help) console.log(HELP);
  else if (!values.out) throw new Error('--out DIR says where to. See --help.');
  else if (await buildIfStale()) {
    const [{ makeBackup }, { readEnv }] = await Promise.all(['backup/backup.js', 'config/env.js'].map((file) => import(`../dist/src/${file}`)));
    await makeBackup(readEnv(), { out: values.out, withSecrets: !values['without-secrets'], say: console.log, signal: stopping.signal });
  } else process.exitCode = 1;
} catch (error) {
  console.error(`backup: ${stopping.signal.aborted ? stopping.signal.reason.message : error.message}`);
  process.exitCode = 1;
}
