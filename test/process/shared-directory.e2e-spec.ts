import { createTenant } from '../support/factories.js';
import { databaseProcesses, postmasterOf, Sandbox } from '../support/sandbox.js';

describe('servers on one data directory', () => {
  const sandbox = new Sandbox();
  afterEach(() => sandbox.clean());

  it('share the database, and the last one stops it', async () => {
    const dataDir = await sandbox.dataDir();
    const first = await sandbox.start({ DATA_DIR: dataDir });
    const second = await sandbox.start({ DATA_DIR: dataDir });
    const tenant = await createTenant(first.client);
    const postmaster = postmasterOf(dataDir);
    expect(await first.end()).toBe(0);
    expect((await second.client.asUser(tenant.token).get('/auth/me')).status).toBe(200);
    expect(postmasterOf(dataDir)).toBe(postmaster);
    expect(await second.end()).toBe(0);
    expect(databaseProcesses(dataDir)).toEqual([]);
  });

  it('may be started at the same moment on an empty one, and make one administrator', async () => {
    const dataDir = await sandbox.dataDir();
    const servers = await Promise.all([1, 2, 3].map(() => sandbox.start({ DATA_DIR: dataDir })));
    await Promise.all(servers.map((server) => server.says(/Try it/)));
    const tenant = await createTenant(servers[0]!.client);
    for (const server of servers) expect((await server.client.asUser(tenant.token).get('/auth/me')).status).toBe(200);
    expect(servers.filter((server) => server.printed.includes('with the password'))).toHaveLength(1);
    expect(await Promise.all(servers.map((server) => server.end()))).toEqual([0, 0, 0]);
    expect(databaseProcesses(dataDir)).toEqual([]);
  });

  it('lose nobody when one stops while another starts', async () => {
    const dataDir = await sandbox.dataDir();
    const first = await sandbox.start({ DATA_DIR: dataDir });
    const second = sandbox.launch({ DATA_DIR: dataDir });
    const [stopped] = await Promise.all([first.end(), second.says(/"msg":"ready"/)]);
    expect(stopped).toBe(0);
    expect((await createTenant(second.client)).tenantId).toBeTruthy();
    expect(await second.end()).toBe(0);
  });
});
