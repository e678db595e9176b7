import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import path from 'node:path';
import { databaseFiles, databaseProcesses, Sandbox } from '../support/sandbox.js';
import { TestDatabase } from '../support/test-database.js';

describe('a wrong setting stops the start with one clear line:', () => {
  const sandbox = new Sandbox();
  let dataDir: string;
  let file: string;
  let busy: Server;

  beforeAll(async () => {
    dataDir = await sandbox.dataDir();
    file = path.join(dataDir, 'file');
    await writeFile(file, '');
    busy = createServer().listen(0, '127.0.0.1');
  });
  afterAll(async () => {
    busy.close();
    await sandbox.clean();
  });

  async function refusal(env: Record<string, string>): Promise<string> {
    const server = sandbox.launch({ DATA_DIR: dataDir, ...env });
    expect(await server.ended()).toBe(1);
    expect(server.complained).toMatch(/^morag: [^\n]+\n$/);
    expect(server.printed).not.toMatch(/^\s+at /m);
    return server.complained;
  }

  it.each([
    ['PORT that is no number', { PORT: 'abc' }, 'PORT must be a whole number'],
    ['PORT beyond all ports', { PORT: '80000' }, 'PORT must be at most 65535'],
    ['LOG_LEVEL nobody knows', { LOG_LEVEL: 'loud' }, 'LOG_LEVEL must be one of'],
    ['ROLE nobody knows', { ROLE: 'boss' }, 'ROLE must be one of: all, api, worker'],
    ['DATA_DIR in which nothing can be made', { DATA_DIR: '/proc/morag' }, 'DATA_DIR /proc/morag cannot be written (ENOENT)'],
    ['BLOB_STORE in which nothing can be made', { BLOB_STORE: 'file:///proc/morag' }, 'BLOB_STORE /proc/morag cannot be written (ENOENT)'],
    ['BLOB_STORE of another kind', { BLOB_STORE: 'ftp://there' }, 'BLOB_STORE must '],
    ['BLOB_STORE on another host', { BLOB_STORE: 'file://there/blobs' }, 'BLOB_STORE must '],
    ['DATABASE_URL that is no PostgreSQL', { DATABASE_URL: 'mysql://localhost/morag' }, 'DATABASE_URL must start with postgres://'],
    ['DATABASE_URL that nobody answers', { DATABASE_URL: 'postgres://me:secret@127.0.0.1:1/morag' }, 'The database morag at 127.0.0.1:1 cannot be reached'],
    ['production without secrets', { NODE_ENV: 'production' }, 'JWT_SECRET must be set in production; SEALING_KEY must be set in production'],
    ['short secret', { JWT_SECRET: 'short' }, 'JWT_SECRET must have at least 32 characters'],
    ['ADMIN_PASSWORD that everybody tries', { ADMIN_PASSWORD: 'password1' }, 'ADMIN_PASSWORD is one of the most common passwords'],
    ['TRUSTED_PROXIES that are no addresses', { TRUSTED_PROXIES: '10.0.0.0/8, foo' }, 'TRUSTED_PROXIES must be IP addresses or CIDR ranges'],
    ['OUTBOUND_ALLOW with a path', { OUTBOUND_ALLOW: 'qdrant.internal/x' }, 'OUTBOUND_ALLOW must be host names or addresses'],
    ['CORS_ORIGINS that are no origins', { CORS_ORIGINS: 'app.example.com' }, 'CORS_ORIGINS must be origins'],
    ['embedding endpoint without a key', { EMBEDDING_PROVIDER: 'openai' }, 'EMBEDDING_API_KEY is needed'],
    ['embedding endpoint without a model', { EMBEDDING_PROVIDER: 'openai', EMBEDDING_URL: 'http://127.0.0.1:1/v1' }, 'EMBEDDING_MODEL is needed'],
  ])('%s', async (_what, env: Record<string, string>, line) => {
    const complaint = await refusal(env);
    expect(complaint).toContain(line);
    expect(complaint).not.toContain('secret@');
  });

  it.each(['192.0.2.1', 'no-such-host.invalid'])('a HOST that is not of this machine: %s', async (HOST) => {
    const database = await TestDatabase.create();
    expect(await refusal({ HOST, DATABASE_URL: database.url })).toContain(`HOST ${HOST} is not an address of this machine`);
    await database.drop();
  });

  it('a PORT that is taken, and the database is stopped again', async () => {
    const { port } = busy.address() as AddressInfo;
    expect(await refusal({ PORT: String(port) })).toContain(`Port ${port} on 127.0.0.1 is taken`);
    expect(databaseProcesses(dataDir)).toEqual([]);
  });

  it('a DATA_DIR or BLOB_STORE that is a file, or below one', async () => {
    expect(await refusal({ DATA_DIR: file })).toContain(`DATA_DIR ${file} cannot be written (ENOTDIR)`);
    expect(await refusal({ DATA_DIR: path.join(file, 'below') })).toContain('cannot be written (ENOTDIR)');
    expect(await refusal({ BLOB_STORE: `file://${file}` })).toContain(`BLOB_STORE ${file} cannot be written (ENOTDIR)`);
    expect((await stat(file)).size).toBe(0);
  });

  it('several at once, all named in the one line', async () => {
    expect(await refusal({ PORT: 'abc', ROLE: 'boss' })).toMatch(/PORT .*; ROLE /);
  });

  it('a DATABASE_URL with a wrong password, or one that names no database', async () => {
    const database = await TestDatabase.create();
    const wrong = new URL(database.url);
    wrong.password = 'not-the-password';
    const complaint = await refusal({ DATABASE_URL: wrong.href });
    expect(complaint).toMatch(/cannot be reached \(password authentication failed for user "morag"\)/);
    expect(complaint).not.toContain('not-the-password');
    expect(await refusal({ DATABASE_URL: database.url.replace(/[^/]*$/, 'nowhere') })).toContain('database "nowhere" does not exist');
    await database.drop();
  });

  it('a DATABASE_URL of a superuser, in production', async () => {
    const database = await TestDatabase.create();
    const env = { NODE_ENV: 'production', JWT_SECRET: 'j'.repeat(32), SEALING_KEY: 's'.repeat(32), DATABASE_URL: database.superuserUrl };
    expect(await refusal(env)).toContain('which no row level security binds');
    await database.drop();
  });

  it('an embedded database that does not start, with what it says itself', async () => {
    const broken = await sandbox.dataDir();
    await (await sandbox.start({ DATA_DIR: broken })).end();
    const version = path.join(databaseFiles(broken), 'PG_VERSION');
    const found = await readFile(version, 'utf8');
    await writeFile(version, '9.6\n');
    const complaint = await refusal({ DATA_DIR: broken });
    expect(complaint).toMatch(/The embedded database did not start \(.*9\.6.*\)\. Its log is /);
    await writeFile(version, found);
    expect(await (await sandbox.start({ DATA_DIR: broken })).end()).toBe(0);
  });

  it('an embedded database that cannot be created', async () => {
    const occupied = await sandbox.dataDir();
    await mkdir(path.join(occupied, 'postgres'), { mode: 0o755 });
    await writeFile(path.join(occupied, 'postgres', 'data'), '');
    expect(await refusal({ DATA_DIR: occupied })).toContain(`The embedded database cannot use ${occupied}/postgres (ENOTDIR`);
  });
});
