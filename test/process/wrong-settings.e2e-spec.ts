import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import path from 'node:path';
import { Config } from '../../src/config/config.js';
import { readEnv, StartupError } from '../../src/config/env.js';
import { createEmbedder } from '../../src/embeddings/embedder.factory.js';
import { OnnxModels } from '../../src/embeddings/onnx-models.js';
import { EmbeddedPostgres } from '../../src/persistence/embedded-postgres.js';
import { migrate } from '../../src/schema.js';
import { databaseFiles, databaseProcesses, Sandbox } from '../support/sandbox.js';
import { TestDatabase } from '../support/test-database.js';

describe('a wrong setting stops the start with one clear line:', () => {
  const sandbox = new Sandbox();
  let database: TestDatabase;
  let dataDir: string;
  let file: string;
  let busy: Server;

  beforeAll(async () => {
    database = await TestDatabase.create();
    dataDir = await sandbox.dataDir();
    file = path.join(dataDir, 'file');
    await writeFile(file, '');
    busy = createServer().listen(0, '127.0.0.1');
  });
  afterAll(async () => {
    busy.close();
    await sandbox.clean();
    await database.drop();
  });

  /** What the process says, whose every refusal goes the same way: one line, and nothing that runs on. */
  async function refusal(env: Record<string, string>): Promise<string> {
    const server = sandbox.launch({ DATA_DIR: dataDir, ...env });
    expect(await server.ended()).toBe(1);
    expect(server.complained).toMatch(/^morag: [^\n]+\n$/);
    expect(server.printed).not.toMatch(/^\s+at /m);
    return server.complained;
  }

  /** What it would say, of a step that this process takes as the server does. */
  async function objection(step: () => unknown): Promise<string> {
    try {
      await step();
    } catch (error) {
      expect(error).toBeInstanceOf(StartupError);
      const { message } = error as StartupError;
      expect(message).not.toContain('\n');
      return message;
    }
    throw new Error('nothing objected');
  }

  describe('before anything is opened', () => {
    const configured = (env: Record<string, string>) => () => new Config(readEnv({ DATA_DIR: dataDir, ...env }));

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
      ['production without secrets', { NODE_ENV: 'production' }, 'JWT_SECRET must be set in production; SEALING_KEY must be set in production'],
      ['short secret', { JWT_SECRET: 'short' }, 'JWT_SECRET must have at least 32 characters'],
      ['TRUSTED_PROXIES that are no addresses', { TRUSTED_PROXIES: '10.0.0.0/8, foo' }, 'TRUSTED_PROXIES must be IP addresses or CIDR ranges'],
      ['OUTBOUND_ALLOW with a path', { OUTBOUND_ALLOW: 'qdrant.internal/x' }, 'OUTBOUND_ALLOW must be host names or addresses'],
      ['CORS_ORIGINS that are no origins', { CORS_ORIGINS: 'app.example.com' }, 'CORS_ORIGINS must be origins'],
    ])('%s', async (_what, env: Record<string, string>, line) => {
      expect(await objection(configured(env))).toContain(line);
    });

    it('several at once, all named in the one line of the process', async () => {
      expect(await refusal({ PORT: 'abc', ROLE: 'boss' })).toMatch(/^morag: PORT must be a whole number; ROLE must be one of/);
    });

    it('a DATA_DIR or BLOB_STORE that is a file, or below one', async () => {
      expect(await refusal({ DATA_DIR: file })).toContain(`DATA_DIR ${file} cannot be written (ENOTDIR)`);
      expect(await objection(configured({ DATA_DIR: path.join(file, 'below') }))).toContain('cannot be written (ENOTDIR)');
      expect(await objection(configured({ BLOB_STORE: `file://${file}` }))).toContain(`BLOB_STORE ${file} cannot be written (ENOTDIR)`);
      expect((await stat(file)).size).toBe(0);
    });
  });

  describe('when the database is opened', () => {
    const opened = (url: string, production = false) => () => migrate(url, { production, warn: () => undefined });

    it('a DATABASE_URL that nobody answers', async () => {
      const complaint = await refusal({ DATABASE_URL: 'postgres://me:secret@127.0.0.1:1/morag' });
      expect(complaint).toContain('The database morag at 127.0.0.1:1 cannot be reached');
      expect(complaint).not.toContain('secret');
    });

    it('a DATABASE_URL with a wrong password, or one that names no database', async () => {
      const wrong = new URL(database.url);
      wrong.password = 'not-the-password';
      const complaint = await objection(opened(wrong.href));
      expect(complaint).toMatch(/cannot be reached \(password authentication failed for user "morag"\)/);
      expect(complaint).not.toContain('not-the-password');
      expect(await objection(opened(database.url.replace(/[^/]*$/, 'nowhere')))).toContain('database "nowhere" does not exist');
    });

    it('a DATABASE_URL of a superuser, in production', async () => {
      expect(await objection(opened(database.superuserUrl, true))).toContain('which no row level security binds');
    });

    it('an embedded database that does not start, with what it says itself', async () => {
      const broken = await sandbox.dataDir();
      const join = () => EmbeddedPostgres.join(broken, () => undefined);
      await (await join()).leave();
      const version = path.join(databaseFiles(broken), 'PG_VERSION');
      const found = await readFile(version, 'utf8');
      await writeFile(version, '9.6\n');
      expect(await objection(join)).toMatch(/^The embedded database did not start \(.*9\.6.*\)\. Its log is /);
      await writeFile(version, found);
      await (await join()).leave();
    });

    it('an embedded database that cannot be created', async () => {
      const occupied = await sandbox.dataDir();
      await mkdir(path.join(occupied, 'postgres'), { mode: 0o755 });
      await writeFile(path.join(occupied, 'postgres', 'data'), '');
      expect(await objection(() => EmbeddedPostgres.join(occupied, () => undefined))).toContain(`The embedded database cannot use ${occupied}/postgres (ENOTDIR`);
    });
  });

  describe('when everything is put together', () => {
    const refusedOn = (env: Record<string, string>) => refusal({ DATABASE_URL: database.url, ...env });

    it('an ADMIN_PASSWORD that everybody tries', async () => {
      expect(await refusedOn({ ADMIN_PASSWORD: 'password1' })).toContain('ADMIN_PASSWORD is one of the most common passwords');
    });

    it('an embedding endpoint without a key, or without a model', async () => {
      expect(await refusedOn({ EMBEDDING_PROVIDER: 'openai' })).toContain('EMBEDDING_API_KEY is needed');
      const withoutModel = createEmbedder({ provider: 'openai', url: 'http://127.0.0.1:1/v1', outboundAllow: [], models: new OnnxModels(dataDir) });
      await expect(withoutModel).rejects.toThrow(/^EMBEDDING_MODEL is needed/);
    });

    it.each(['192.0.2.1', 'no-such-host.invalid'])('a HOST that is not of this machine: %s', async (HOST) => {
      expect(await refusedOn({ HOST })).toContain(`HOST ${HOST} is not an address of this machine`);
    });

    it('a PORT that is taken, and the embedded database is stopped again', async () => {
      const { port } = busy.address() as AddressInfo;
      expect(await refusal({ PORT: String(port) })).toContain(`Port ${port} on 127.0.0.1 is taken`);
      expect(databaseProcesses(dataDir)).toEqual([]);
    });
  });
});
