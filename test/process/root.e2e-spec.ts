import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { createTenant } from '../support/factories.js';
import { databaseFiles, databaseProcesses, postmasterOf, Sandbox } from '../support/sandbox.js';

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: what root may do is not tested, because an ordinary user runs the tests.');

(isRoot ? describe : describe.skip)('started by root', () => {
  const sandbox = new Sandbox();
  afterEach(() => sandbox.clean());

  it('the database runs as somebody else, who cannot read the secrets', async () => {
    const dataDir = await sandbox.dataDir();
    const server = await sandbox.start({ DATA_DIR: dataDir });
    expect(statSync(`/proc/${postmasterOf(dataDir)}`).uid).not.toBe(0);
    expect(statSync(path.join(dataDir, 'secrets.json'))).toMatchObject({ uid: 0, mode: 0o100600 });
    expect(await server.end()).toBe(0);
  });

  it('a data directory that only root may enter keeps its database elsewhere, with a note that says where', async () => {
    const dataDir = await sandbox.dataDir(0o700);
    const first = await sandbox.start({ DATA_DIR: dataDir });
    const tenant = await createTenant(first.client);
    expect(await first.end()).toBe(0);
    const home = readFileSync(path.join(dataDir, 'postgres-location'), 'utf8').trim();
    expect(existsSync(path.join(dataDir, 'postgres'))).toBe(false);
    expect(databaseFiles(dataDir)).toBe(path.join(home, 'data'));
    expect(statSync(databaseFiles(dataDir)).mode & 0o777).toBe(0o700);
    expect(readdirSync(home).filter((name) => name.startsWith('password'))).toEqual([]);

    const second = await sandbox.start({ DATA_DIR: dataDir });
    expect((await second.client.asUser(tenant.token).get('/auth/me')).status).toBe(200);
    expect(await second.end()).toBe(0);
    expect(databaseProcesses(dataDir)).toEqual([]);
  });
});
