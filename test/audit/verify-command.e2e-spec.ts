import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createTenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

async function verify(env: Record<string, string>, ...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [path.resolve('scripts/audit-verify.mjs'), ...args], { env: { PATH: process.env['PATH'], ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

describe('npm run audit:verify', () => {
  let server: TestApp;

  beforeAll(async () => {
    server = await TestApp.start({ ROLE: 'api' });
  });
  afterAll(() => server.stop());

  it('writes an anchor beside a running server, finds with it what was cut off, and ends with 1', async () => {
    const { tenantId } = await createTenant(server.anonymous);
    const env = { DATABASE_URL: server.database.url, DATA_DIR: server.dataDir };
    const file = path.join(server.dataDir, 'heads.json');
    const first = await verify(env, '--write-anchor', file);
    expect(first).toMatchObject({ code: 0, output: expect.stringMatching(/2 chains verified: all is well\./) });
    const { heads } = JSON.parse(await readFile(file, 'utf8')) as { heads: Record<string, { sequence: number; hash: string }> };
    const head = heads[tenantId]!;
    expect(first.output).toContain(`${tenantId}  ${head.sequence} entries, head ${head.sequence} ${head.hash}`);
    // The owner of the database may do that, and nothing in the database tells of it.
    await server.database.query(
      `WITH gone AS (DELETE FROM audit_links WHERE tenant_id = $1 AND sequence = $2 RETURNING entry_id) DELETE FROM audit_entries e USING gone WHERE e.id = gone.entry_id`,
      [tenantId, head.sequence],
    );
    const cut = await verify(env, '--anchor', file, '--tenant', tenantId);
    expect(cut).toMatchObject({ code: 1, output: expect.stringContaining(`${tenantId}  BROKEN: link ${head.sequence} is missing: the chain ends before the ${head.sequence} links that were anchored`) });
  });

  it('says what it does not understand', async () => {
    const nonsense = path.join(server.dataDir, 'nonsense.json');
    await writeFile(nonsense, '{"heads":{"me":1}}');
    expect(await verify({}, '--tenant', 'all')).toEqual({ code: 2, output: 'audit:verify: --tenant must be the id of a tenant, a UUID.\n' });
    expect(await verify({}, '--anchor', nonsense)).toEqual({ code: 2, output: `audit:verify: ${nonsense} is no file of anchors.\n` });
    expect(await verify({}, '--help')).toMatchObject({ code: 0, output: expect.stringContaining('--write-anchor') });
  });
});
