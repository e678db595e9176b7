import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createKey, createTenant, eventually } from '../support/factories.js';
import { ServerProcess } from '../support/server-process.js';
import { TestApp } from '../support/test-app.js';
import { TestDatabase } from '../support/test-database.js';

const SUMS = `SELECT route, status_class, sum(requests)::int AS requests FROM usage_hourly WHERE api_key_id = $1 GROUP BY 1, 2 ORDER BY 1, 2`;

describe('usage', () => {
  it('counts each of 200 parallel calls once, by route and class of status, and tells the key so', async () => {
    const server = await TestApp.start();
    try {
      const tenant = await createTenant(server.anonymous);
      const key = await createKey(tenant.client, ['read']);
      await Promise.all(Array.from({ length: 150 }, () => key.client.get('/api/v1/databases')));
      await Promise.all(Array.from({ length: 50 }, () => key.client.post('/api/v1/search', { query: 'forbidden' })));
      const shown = await eventually(
        async () => (await tenant.client.get(`/api/v1/api-keys/${key.id}`)).body as { usage_count: number; last_used: string },
        ({ usage_count }) => usage_count >= 200,
      );
      expect(shown.usage_count).toBe(200);
      expect(Date.now() - Date.parse(shown.last_used)).toBeLessThan(60_000);
      expect(await server.database.query(SUMS, [key.id])).toEqual([
        { route: 'GET /api/v1/databases', status_class: 2, requests: 150 },
        { route: 'POST /api/v1/search', status_class: 4, requests: 50 },
      ]);
    } finally {
      await server.stop();
    }
  });

  it('loses no call when the process is asked to stop right after it', async () => {
    const database = await TestDatabase.create();
    const dataDir = await mkdtemp(path.join(tmpdir(), 'morag-usage-'));
    try {
      const server = await ServerProcess.start({ DATABASE_URL: database.url, DATA_DIR: dataDir, LOG_LEVEL: 'info' });
      const tenant = await createTenant(server.client);
      const key = await createKey(tenant.client, ['read']);
      await Promise.all(Array.from({ length: 40 }, () => key.client.get('/api/v1/databases')));
      expect(await server.end('SIGTERM')).toBe(0);
      expect(await database.query(SUMS, [key.id])).toEqual([{ route: 'GET /api/v1/databases', status_class: 2, requests: 40 }]);
    } finally {
      await database.drop();
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});
