import { createKey, createTenant, eventually } from '../support/factories.js';
import { Sandbox } from '../support/sandbox.js';
import type { ServerProcess } from '../support/server-process.js';
import { TestDatabase } from '../support/test-database.js';

describe('usage', () => {
  const sandbox = new Sandbox();
  let database: TestDatabase;
  let server: ServerProcess;
  let key: Awaited<ReturnType<typeof createKey>>;

  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterAll(async () => {
    await sandbox.clean();
    await database.drop();
  });
  beforeEach(async () => {
    server = await sandbox.start({ DATABASE_URL: database.url, DATA_DIR: await sandbox.dataDir(), LOG_LEVEL: 'info' });
    key = await createKey((await createTenant(server.client)).client, ['read']);
  });

  const callAtOnce = (times: number): Promise<unknown> => Promise.all(Array.from({ length: times }, () => key.client.get('/api/v1/databases')));

  /** By the sums of the hours and by the key's own counter. */
  async function counted(): Promise<{ hourly: number; ofKey: number }> {
    const [row] = await database.query<{ hourly: number; ofKey: number }>(
      `SELECT coalesce(sum(requests), 0)::int AS hourly, (SELECT usage_count::int FROM api_keys WHERE id = $1) AS "ofKey" FROM usage_hourly WHERE api_key_id = $1`,
      [key.id],
    );
    return row!;
  }

  it('loses no call when the process is asked to stop right after it', async () => {
    await callAtOnce(40);
    expect(await server.end('SIGTERM')).toBe(0);
    expect(await counted()).toEqual({ hourly: 40, ofKey: 40 });
  });

  it('loses no call that was written when the process is killed, and of the others no more than there were', async () => {
    await callAtOnce(40);
    await eventually(counted, ({ hourly }) => hourly === 40);
    await callAtOnce(10);
    expect(await server.end('SIGKILL')).toBeNull();
    const { hourly, ofKey } = await counted();
    expect(hourly).toBeGreaterThanOrEqual(40);
    expect(hourly).toBeLessThanOrEqual(50);
    expect(ofKey).toBe(hourly);
  });
});
