import { VARIABLES } from '../../src/config/env.js';
import { createTenant, signIn } from '../support/factories.js';
import { Sandbox } from '../support/sandbox.js';
import { TestDatabase } from '../support/test-database.js';

const PASSWORD_LINE = /Admin\s+(\S+) with the password (\S+) \(shown only now\)/;

describe('a start', () => {
  const sandbox = new Sandbox();
  const databases: TestDatabase[] = [];
  afterAll(async () => {
    await sandbox.clean();
    await Promise.all(databases.map((database) => database.drop()));
  });

  /** The address of a database of its own, where the embedded one is not the point. */
  async function migrated(): Promise<string> {
    const database = await TestDatabase.create();
    databases.push(database);
    return database.url;
  }

  it('on an empty directory is ready without any setting, and a second one finds everything again; the password of the administrator is shown once, to people and not in the log', async () => {
    const dataDir = await sandbox.dataDir();
    const first = await sandbox.start({ DATA_DIR: dataDir });
    await first.says(/Try it/);
    for (const address of ['/health', '/health/live', '/health/ready', '/docs', '/openapi.json']) expect((await first.client.get(address)).status).toBe(200);
    const tenant = await createTenant(first.client);
    const [, email, password] = PASSWORD_LINE.exec(first.printed)!;
    const token = await signIn(first.client, email!, password!);
    expect((await first.client.asUser(token).get('/admin/tenants')).status).toBe(200);
    expect(await first.end()).toBe(0);
    const logged = first.printed.split('\n').filter((line) => line.startsWith('{'));
    expect(logged.length).toBeGreaterThan(0);
    expect(logged.filter((line) => line.includes(password!))).toEqual([]);

    const second = await sandbox.start({ DATA_DIR: dataDir });
    await second.says(/Try it/);
    // The token was signed with the generated secret of the first start.
    const me = await second.client.asUser(tenant.token).get('/auth/me');
    expect(me).toMatchObject({ status: 200, body: { email: tenant.email } });
    expect(await second.end()).toBe(0);
    expect(second.complained).toBe('');
    expect(second.printed).not.toContain('with the password');
    expect(second.printed).not.toContain(password);
  }, 60_000);

  it('makes the administrator that was asked for, and never prints the password', async () => {
    const account = { ADMIN_EMAIL: 'root@example.com', ADMIN_PASSWORD: 'a-password-of-my-own' };
    const server = await sandbox.start({ DATA_DIR: await sandbox.dataDir(), DATABASE_URL: await migrated(), ...account });
    await server.says(/Try it/);
    const token = await signIn(server.client, account.ADMIN_EMAIL, account.ADMIN_PASSWORD);
    expect((await server.client.asUser(token).get('/auth/me')).body).toMatchObject({ email: account.ADMIN_EMAIL, role: 'ADMIN' });
    await server.end();
    expect(server.printed).not.toContain(account.ADMIN_PASSWORD);
  });

  it('in production prints nothing but its log, and serves no /docs', async () => {
    const secrets = { JWT_SECRET: 'j'.repeat(32), SEALING_KEY: 's'.repeat(32), ADMIN_PASSWORD: 'a-password-of-my-own' };
    const server = await sandbox.start({ DATA_DIR: await sandbox.dataDir(), NODE_ENV: 'production', ...secrets });
    expect((await server.client.get('/docs')).status).toBe(404);
    expect((await server.client.get('/openapi.json')).status).toBe(404);
    await server.end();
    expect(server.printed.split('\n').filter((line) => line !== '' && !line.startsWith('{'))).toEqual([]);
  });

  it('with --help prints every variable and starts nothing', async () => {
    const help = sandbox.launch({}, ['--help']);
    expect(await help.ended()).toBe(0);
    for (const name of Object.keys(VARIABLES)) expect(help.printed).toMatch(new RegExp(`^  ${name} +\\S`, 'm'));
    expect(help.complained).toBe('');
  });
});
