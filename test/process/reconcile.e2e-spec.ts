import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createTenant, ingestText } from '../support/factories.js';
import { usedBy } from '../support/quotas.js';
import { falsify } from '../support/reconciliation.js';
import { Sandbox } from '../support/sandbox.js';
import { TestApp } from '../support/test-app.js';

interface Run {
  code: number | null;
  output: string;
}

async function reconcile(env: Record<string, string>, ...args: string[]): Promise<Run> {
  const child = spawn(process.execPath, [path.resolve('scripts/reconcile.mjs'), ...args], { env: { PATH: process.env['PATH'], ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

describe('npm run reconcile', () => {
  const sandbox = new Sandbox();
  let server: TestApp;

  beforeAll(async () => {
    server = await TestApp.start();
  });
  afterAll(async () => {
    await server.stop();
    await sandbox.clean();
  });

  it('tells of drift beside a running server with 1, repairs it, and then has nothing to tell', async () => {
    const tenant = await createTenant(server.anonymous);
    await ingestText(tenant.client, 'A page', 'One chunk.');
    const env = { DATABASE_URL: server.database.url, DATA_DIR: server.dataDir };
    await falsify(server.database, tenant.tenantId, 'documents', { used: 6 });
    const found = await reconcile(env);
    expect(found).toMatchObject({ code: 1, output: expect.stringMatching(/Counters of 2 tenants compared: 1 differ, of 1 tenants\./) });
    expect(found.output).toMatch(new RegExp(`${tenant.tenantId}.*documents.*7 \\+ 0.*1 \\+ 0`));
    expect(await usedBy(tenant.client)).toMatchObject({ documents: 7 });
    expect(await reconcile(env, '--repair', '--tenant', tenant.tenantId)).toMatchObject({ code: 0, output: expect.stringContaining('and were repaired') });
    expect(await usedBy(tenant.client)).toMatchObject({ documents: 1 });
    expect(await reconcile(env)).toMatchObject({ code: 0, output: expect.stringMatching(/no drift\.[^]*2 files looked at: 0 without a document[^]*2 collections counted: 0 with more or fewer/) });
  });

  it('joins the embedded database of a server that runs, and leaves it running', async () => {
    const env = { DATA_DIR: await sandbox.dataDir() };
    const running = await sandbox.start(env);
    expect(await reconcile(env)).toMatchObject({ code: 0, output: expect.stringContaining('Counters of 1 tenants compared: no drift.') });
    expect((await running.client.get('/health/ready')).status).toBe(200);
  });

  it('says what it does not understand', async () => {
    expect(await reconcile({}, '--tenant', 'all')).toEqual({ code: 2, output: 'reconcile: --tenant must be the id of a tenant, a UUID.\n' });
    expect(await reconcile({}, '--everything')).toMatchObject({ code: 2, output: expect.stringContaining('--everything') });
    expect(await reconcile({}, '--help')).toMatchObject({ code: 0, output: expect.stringContaining('--repair') });
  });
});
