import { DataSource } from 'typeorm';
import { readEnv, StartupError } from './src/config/env.js';
import { migrationOptions } from './src/persistence/data-source.js';

/** For TypeORM's command line, such as `npx typeorm migration:show -d dist/ormconfig.js`; the server migrates by itself at start. */
const { DATABASE_URL, DATABASE_DIRECT_URL } = readEnv();
if (DATABASE_URL === undefined) throw new StartupError('Set DATABASE_URL: the command line does not start the embedded database.');

export default new DataSource(migrationOptions(DATABASE_DIRECT_URL ?? DATABASE_URL));
