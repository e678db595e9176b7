import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import path from 'node:path';
import { createKey, createTenant, eventually, type Tenant } from '../support/factories.js';
import { databaseFiles, databaseProcesses, killDatabase, postmasterOf, Sandbox } from '../support/sandbox.js';
import type { ServerProcess } from '../support/server-process.js';

/** A busy machine takes many seconds to start a server; who is cut short leaves the next without one. */
const PATIENCE_MS = 90_000;
const BOUNDARY = 'boundary';
const HEAD = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="slow.txt"\r\nContent-Type: text/plain\r\n\r\nThe first half`;
const TAIL = ` and the second.\r\n--${BOUNDARY}--\r\n`;

/** An upload whose first half has arrived at the server, which asked for it to be sent. */
async function beginUpload(url: string, key: string): Promise<ClientRequest> {
  const headers = { 'x-api-key': key, expect: '100-continue', 'content-type': `multipart/form-data; boundary=${BOUNDARY}`, 'content-length': HEAD.length + TAIL.length };
  const upload = request(`${url}/api/v1/ingest/file`, { method: 'POST', headers });
  upload.flushHeaders();
  await once(upload, 'continue');
  upload.write(HEAD);
  return upload;
}

describe('the embedded database', () => {
  const sandbox = new Sandbox();
  afterAll(() => sandbox.clean());

  it('is stopped again when the start is interrupted', async () => {
    const dataDir = await sandbox.dataDir();
    const server = sandbox.launch({ DATA_DIR: dataDir });
    await eventually(async () => postmasterOf(dataDir), (pid) => pid !== null);
    expect(await server.end('SIGINT')).toBe(0);
    expect(databaseProcesses(dataDir)).toEqual([]);
  });

  // One installation and all that happens to it: each of these goes on with the server that the one before has left running.
  describe('in the course of time', () => {
    let dataDir: string;
    let server: ServerProcess;
    let key: string;
    let tenant: Tenant;
    /** A server asked to stop in the middle of an upload that never goes on; it waits twelve seconds for that, during which the other tests run. */
    let stalled: { dataDir: string; exitCode: Promise<number | null> };

    beforeAll(async () => {
      dataDir = await sandbox.dataDir();
      server = await sandbox.start({ DATA_DIR: dataDir });
      tenant = await createTenant(server.client);
      key = (await createKey(tenant.client, ['read', 'ingest'])).secret;
    });

    /** The next one on the same directory, which lets in whoever signed in before. */
    async function startAgain(): Promise<void> {
      server = await sandbox.start({ DATA_DIR: dataDir });
      expect((await server.client.asUser(tenant.token).get('/auth/me')).status).toBe(200);
    }

    async function stopAmidUpload(directory: string): Promise<typeof stalled> {
      const stopping = await sandbox.start({ DATA_DIR: directory });
      const upload = await beginUpload(stopping.url, key);
      upload.on('error', () => undefined);
      return { dataDir: directory, exitCode: stopping.end('SIGTERM') };
    }

    it('outlives Ctrl-C until the request in flight is answered, and stops with the server, after it', async () => {
      expect(databaseProcesses(dataDir)).toContain(postmasterOf(dataDir));
      const upload = await beginUpload(server.url, key);
      // A terminal sends it to the whole group.
      process.kill(-server.child.pid!, 'SIGINT');
      await server.says(/"msg":"stopping"/);
      upload.end(TAIL);
      const [answer] = (await once(upload, 'response')) as [IncomingMessage];
      expect(answer.statusCode).toBe(202);
      answer.resume();
      expect(await server.ended()).toBe(0);
      expect(postmasterOf(dataDir)).toBeNull();
      expect(databaseProcesses(dataDir)).toEqual([]);

      stalled = await stopAmidUpload(await sandbox.copyOf(dataDir));
      await startAgain();
      const { body } = await server.client.asApiKey(key).get('/api/v1/documents');
      expect(body.documents).toMatchObject([{ name: 'slow.txt' }]);
    }, PATIENCE_MS);

    it('outlives a SIGKILL of the server, and the next start joins it, and stops it in the end', async () => {
      const postmaster = postmasterOf(dataDir);
      await server.end('SIGKILL');
      expect(databaseProcesses(dataDir)).toContain(postmaster);
      await startAgain();
      expect(postmasterOf(dataDir)).toBe(postmaster);
      expect(await server.end()).toBe(0);
      expect(databaseProcesses(dataDir)).toEqual([]);
      await startAgain();
    }, PATIENCE_MS);

    it.each([
      ['is gone', () => undefined],
      ['belongs to another process by now', () => process.pid],
      ["belongs to another program of the database's user by now", (pid: number) => pid],
    ])('recovers when both were killed and the number in postmaster.pid %s', async (_what, numberOf) => {
      await server.end('SIGKILL');
      await killDatabase(dataDir);
      const owner = process.getuid?.() === 0 ? { uid: statSync(databaseFiles(dataDir)).uid } : {};
      const bystander = spawn('/bin/sleep', ['600'], { ...owner, cwd: '/' });
      await once(bystander, 'spawn');
      const file = path.join(databaseFiles(dataDir), 'postmaster.pid');
      const number = numberOf(bystander.pid!);
      if (number !== undefined) writeFileSync(file, readFileSync(file, 'utf8').replace(/^\d+/, String(number)));

      await startAgain();
      expect(bystander.exitCode).toBeNull();
      bystander.kill();
    }, PATIENCE_MS);

    it('is brought back when it dies under a running server, which answers 503 meanwhile', async () => {
      const client = server.client.asUser(tenant.token);
      const postmaster = postmasterOf(dataDir)!;
      const seen = new Set<string>();
      const look = async () => {
        const { status, headers, body } = await client.get('/auth/me');
        seen.add(`${status} ${headers.get('content-type')} ${body.code ?? ''}`);
        expect((await server.client.get('/health/live')).status).toBe(200);
        return status;
      };
      // Without a pause from one look to the next: it may be back soon.
      const lookUntilRefused = async (): Promise<number> => {
        const deadline = Date.now() + 5000;
        for (;;) {
          const status = await look();
          if (status !== 200 || Date.now() > deadline) return status;
        }
      };
      const looking = lookUntilRefused();
      process.kill(postmaster, 'SIGKILL');
      expect(await looking).toBe(503);
      await eventually(look, (status) => status === 200);
      expect([...seen].filter((answer) => !answer.startsWith('200'))).toEqual(['503 application/problem+json; charset=utf-8 database_unavailable']);
      expect(postmasterOf(dataDir)).not.toBe(postmaster);
      // Everything works again, the queue among it.
      const { body } = await server.client.asApiKey(key).post('/api/v1/ingest/text', { title: 'After', content: 'Life goes on.' });
      const job = () => client.get(`/api/v1/status/${body.task_id}`);
      await eventually(job, (answer) => answer.body.status === 'completed');
      expect(await server.end()).toBe(0);
      expect(databaseProcesses(dataDir)).toEqual([]);
    });

    it('is stopped with the server although a request never ends', async () => {
      expect(await stalled.exitCode).toBe(0);
      expect(databaseProcesses(stalled.dataDir)).toEqual([]);
    });
  });
});
