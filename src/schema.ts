import { setTimeout as delay } from 'node:timers/promises';
import { StartupError } from './config/env.js';
import { setUpQueue, whatQueueLacks } from './jobs/queue.setup.js';
import { requireSafeLogin, setUpDatabase, whatSchemaLacks, type SetupOptions } from './persistence/database-setup.js';

const WAIT_MS = 60_000;
const LOOK_EVERY_MS = 500;

/** Brings the tables and the queue's up to date; safe to run in several processes at once. @throws StartupError */
export async function migrate(url: string, options: SetupOptions): Promise<void> {
  await setUpDatabase(url, options);
  await setUpQueue(url);
}

/** For a process that may not migrate: waits for the one that does. @throws StartupError when nobody has within the time */
export async function waitForSchema(url: string, options: SetupOptions, waitMs = WAIT_MS): Promise<void> {
  await requireSafeLogin(url, options);
  const deadline = Date.now() + waitMs;
  for (let isFirst = true; ; isFirst = false) {
    const lack = (await whatSchemaLacks(url)) ?? (await whatQueueLacks(url));
    if (lack === null) return;
    if (Date.now() >= deadline) throw new StartupError(`The database is older than this version (${lack}), and MIGRATE_ON_START is false. Run \`node dist/src/main.js --migrate\` once, as the owner of the database.`);
    if (isFirst) options.warn(`The database is older than this version (${lack}): waiting for somebody to migrate it.`);
    await delay(LOOK_EVERY_MS);
  }
}
