import { existsSync } from 'node:fs';
import path from 'node:path';
import { createTenant, ingestText } from '../support/factories.js';
import { Sandbox } from '../support/sandbox.js';
import { TestDatabase } from '../support/test-database.js';

describe('with DATABASE_URL', () => {
  const sandbox = new Sandbox();
  let database: TestDatabase;

  beforeAll(async () => {
    database = await TestDatabase.createEmpty();
  });
  afterAll(async () => {
    await sandbox.clean();
    await database.drop();
  });

  it('the server does its whole job on that PostgreSQL, as a login without rights, and starts none of its own', async () => {
    const env = { DATA_DIR: await sandbox.dataDir(), DATABASE_URL: database.url, NODE_ENV: 'production', JWT_SECRET: 'j'.repeat(32), SEALING_KEY: 's'.repeat(32) };
    const server = await sandbox.start(env);
    const tenant = await createTenant(server.client);
    await ingestText(tenant.client, 'Elsewhere', 'The rows of this note are kept in another PostgreSQL.');
    expect((await tenant.client.post('/api/v1/search', { query: 'another PostgreSQL' })).body.results).toHaveLength(1);
    expect(existsSync(path.join(env.DATA_DIR, 'postgres'))).toBe(false);
    expect(await server.end()).toBe(0);
    expect(await database.query('SELECT email FROM users WHERE id = $1', [tenant.userId])).toEqual([{ email: tenant.email }]);

    const again = await sandbox.start(env);
    expect((await again.client.asUser(tenant.token).get('/auth/me')).status).toBe(200);
    expect(await again.end()).toBe(0);
  });
});
