import { createTenant, type Tenant } from '../support/factories.js';
import { databaseProcesses, postmasterOf, Sandbox } from '../support/sandbox.js';
import type { ServerProcess } from '../support/server-process.js';

// One story, in which each of these goes on with the servers that the one before has left running.
describe('servers on one data directory', () => {
  const sandbox = new Sandbox();
  let dataDir: string;
  let servers: ServerProcess[];
  let tenant: Tenant;

  beforeAll(async () => {
    dataDir = await sandbox.dataDir();
  });
  afterAll(() => sandbox.clean());

  const knows = async (server: ServerProcess): Promise<boolean> => (await server.client.asUser(tenant.token).get('/auth/me')).status === 200;

  it('may be started at the same moment on an empty one, and make one administrator', async () => {
    servers = await Promise.all([1, 2, 3].map(() => sandbox.start({ DATA_DIR: dataDir })));
    await Promise.all(servers.map((server) => server.says(/Try it/)));
    tenant = await createTenant(servers[0]!.client);
    expect(await Promise.all(servers.map(knows))).toEqual([true, true, true]);
    expect(servers.filter((server) => server.printed.includes('with the password'))).toHaveLength(1);
  }, 60_000);

  it('share the database, which goes on when one of them stops', async () => {
    const postmaster = postmasterOf(dataDir);
    expect(await servers.shift()!.end()).toBe(0);
    expect(await Promise.all(servers.map(knows))).toEqual([true, true]);
    expect(postmasterOf(dataDir)).toBe(postmaster);
    expect(await servers.shift()!.end()).toBe(0);
    expect(await knows(servers[0]!)).toBe(true);
    expect(postmasterOf(dataDir)).toBe(postmaster);
  });

  it('lose nobody when the only one stops while another starts', async () => {
    const [only] = servers;
    const next = sandbox.launch({ DATA_DIR: dataDir });
    const [stopped] = await Promise.all([only!.end(), next.says(/"msg":"ready"/)]);
    expect(stopped).toBe(0);
    expect(await knows(next)).toBe(true);
    servers = [next];
  });

  it('stop it with the last one', async () => {
    expect(await servers[0]!.end()).toBe(0);
    expect(databaseProcesses(dataDir)).toEqual([]);
  });
});
