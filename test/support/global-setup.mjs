// One real PostgreSQL for the whole run, and one migrated database in it that every test file clones.
// It imports the built server, because jest maps no module names in this place.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { setUpQueue } from '../../dist/src/jobs/queue.setup.js';
import { setUpDatabase } from '../../dist/src/persistence/database-setup.js';
import { EmbeddedPostgres } from '../../dist/src/persistence/embedded-postgres.js';

const TEMPLATE = 'morag_template';
/**
 * Nothing here has to outlive the machine, and every DROP DATABASE would wait for the disk. What is to outlive a killed process does so all the same:
 * its pages are the kernel's. Tests that start a database of their own start it as the server does.
 */
const WITHOUT_THE_DISK = ['fsync', 'synchronous_commit', 'full_page_writes'];

/** Thousands of connections are made, and each costs both sides as much as four thousand rounds of hashing: here one will do. */
async function hastenLogins(client, { superuserUrl, url }) {
  await client.query('SET scram_iterations = 1');
  for (const { username, password } of [new URL(superuserUrl), new URL(url)]) await client.query(`ALTER ROLE ${username} PASSWORD ${pg.escapeLiteral(decodeURIComponent(password))}`);
}

export default async function globalSetup() {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'morag-test-'));
  // The database's own user, when root runs the tests, has to enter it.
  await chmod(dataDir, 0o755);
  const embedded = await EmbeddedPostgres.join(dataDir, console.warn);
  const client = new pg.Client({ connectionString: embedded.superuserUrl });
  await client.connect();
  for (const setting of WITHOUT_THE_DISK) await client.query(`ALTER SYSTEM SET ${setting} = off`);
  await client.query('SELECT pg_reload_conf()');
  await client.query(`CREATE DATABASE ${TEMPLATE} OWNER morag`);
  await hastenLogins(client, embedded);
  await client.end();
  const templateUrl = embedded.url.replace(/\/morag$/, `/${TEMPLATE}`);
  await setUpDatabase(templateUrl, { production: true, warn: console.warn });
  await setUpQueue(templateUrl);
  process.env.MORAG_TEST_SUPERUSER_URL = embedded.superuserUrl;
  process.env.MORAG_TEST_TEMPLATE_URL = templateUrl;
  globalThis.moragTestDatabase = { embedded, dataDir };
}

export async function stopTestDatabase() {
  const { embedded, dataDir } = globalThis.moragTestDatabase;
  await embedded.leave();
  await rm(dataDir, { recursive: true, force: true });
}
