// `npm run restore`: makes an installation from a backup, where there is none yet.
import { parseArgs } from 'node:util';
import { buildIfStale } from './build.mjs';
import { newEnoughNode } from './node24.mjs';

const HELP = `npm run restore -- --from DIR [--verify] [--without-keys]

Makes the installation of a backup again, in an empty DATA_DIR (and an empty database, with DATABASE_URL), while no server runs there. Reads the server's variables.
  --from DIR       what npm run backup made
  --verify         only reads the backup and compares every checksum
  --without-keys   goes on without the SEALING_KEY of the backup: the credentials that it seals are lost
It ends with 0 when all is done, and with 1 when it is not; what it refuses it refuses before it changes anything.`;

await newEnoughNode();
try {
  const { values } = parseArgs({
    options: { from: { type: 'string' }, verify: { type: 'boolean', default: false }, 'without-keys': { type: 'boolean', default: false }, help: { type: 'boolean' } },
  });
  if (values.help) console.log(HELP);
  else if (!values.from) throw new Error('--from DIR says where from. See --help.');
  else if (await buildIfStale()) {
    const [{ restoreBackup }, { readEnv }] = await Promise.all(['backup/restore.js', 'config/env.js'].map((file) => import(`../dist/src/${file}`)));
    await restoreBackup(readEnv(), { from: values.from, verifyOnly: values.verify, withoutKeys: values['without-keys'], say: console.log });
  } else process.exitCode = 1;
} catch (error) {
  console.error(`restore: ${error.message}`);
  process.exitCode = 1;
}
