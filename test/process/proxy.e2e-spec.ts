import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { ApiClient } from '../support/api-client.js';
import { EventStream } from '../support/event-stream.js';
import { administrator, createKey, createTenant, eventually, type Tenant } from '../support/factories.js';
import { describeWithNginx, Nginx } from '../support/nginx.js';
import { setLimits } from '../support/quotas.js';
import { multipart } from '../support/raw-http.js';
import type { ServerProcess } from '../support/server-process.js';
import { TestApp } from '../support/test-app.js';

const ENV = { ROLE: 'api', TRUSTED_PROXIES: '127.0.0.1', MAX_UPLOAD_MB: '8' };
const halfOf = (letter: string): Buffer => multipart('x', [{ headers: 'name="file"; filename="a.txt"', content: letter.repeat(3_000_000) }], false);

describeWithNginx('two API processes behind deploy/nginx.conf', () => {
  let server: TestApp;
  let second: ServerProcess;
  let proxy: Nginx;
  let tenant: Tenant;
  let client: ApiClient;

  beforeAll(async () => {
    server = await TestApp.start(ENV);
    second = await server.processBeside({ ...ENV, LOG_LEVEL: 'info' });
    proxy = await Nginx.before([server.url, second.url]);
    tenant = await createTenant(new ApiClient(proxy.url));
    await setLimits(await administrator(server), tenant, { api_calls_per_hour: null, documents: null });
    client = tenant.client;
  });
  afterAll(async () => {
    await proxy.stop();
    await second.end('SIGKILL');
    await server.stop();
  });

  /** The first half of an upload, by hand. */
  function beginUpload(url: string, letter: string): Socket {
    const half = halfOf(letter);
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on('error', () => undefined);
    socket.write(`POST /api/v1/ingest/file HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tenant.token}\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: ${half.length + 7}\r\n\r\n`);
    socket.write(half);
    return socket;
  }

  async function answerOf(socket: Socket): Promise<string> {
    let answer = '';
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
    socket.write('--x--\r\n');
    return eventually(async () => answer, (text) => text.includes('\r\n\r\n'));
  }

  /** Of files that are still arriving. */
  async function arrivingBytes(): Promise<number> {
    const incoming = path.join(server.dataDir, 'blobs/incoming');
    // Whatever has gone meanwhile has no size.
    const sizes = await Promise.all((await readdir(incoming)).map(async (name) => statSync(path.join(incoming, name), { throwIfNoEntry: false })?.size ?? 0));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  it('get an upload as it arrives', async () => {
    const socket = beginUpload(proxy.url, 'x');
    await eventually(arrivingBytes, (bytes) => bytes > 2_900_000);
    expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 202 /);
    socket.destroy();
  });

  it('say themselves that a file is too large', async () => {
    expect(await client.upload('x'.repeat(9 * 1024 * 1024), 'a.txt')).toMatchObject({ status: 413, body: { code: 'payload_too_large' } });
  });

  it('send events that come through at once', async () => {
    const { body } = await client.post('/api/v1/ingest/text', { title: 'A text', content: 'Nobody works on this.' });
    const events = await EventStream.open(`${proxy.url}/api/v1/jobs/${body.task_id}/events`, { authorization: `Bearer ${tenant.token}` });
    // There is no worker, so the stream goes on; a proxy that collects would answer nothing.
    expect((await events.next())?.job.status).toBe('PENDING');
    events.close();
  });

  it('see the address of the client, whatever it says of itself, and keep their metrics to themselves', async () => {
    const [here, elsewhere] = await Promise.all([['127.0.0.1'], ['203.0.113.7']].map((allowed_ips) => createKey(client, ['read'], { allowed_ips })));
    const lie = { 'x-forwarded-for': '203.0.113.7' };
    expect((await here!.client.get('/api/v1/databases', lie)).status).toBe(200);
    expect(await elsewhere!.client.get('/api/v1/databases', lie)).toMatchObject({ status: 403, body: { code: 'ip_not_allowed' } });
    expect((await client.get('/metrics')).status).toBe(404);
  });

  it('fail no request when one of them is stopped under load, even while it still finishes what it has', async () => {
    const unfinished = beginUpload(second.url, 'y');
    await eventually(arrivingBytes, (bytes) => bytes > 2_900_000);
    let isOver = false;
    const statuses: Record<string, number> = {};
    const load = async (work: (at: number) => Promise<{ status: number }>): Promise<void> => {
      for (let at = 0; !isOver; at++) {
        const { status } = await work(at);
        statuses[status] = (statuses[status] ?? 0) + 1;
      }
    };
    const loads = [0, 1, 2, 3].flatMap((worker) => [
      load((at) => client.post('/api/v1/ingest/text', { title: `${worker} ${at}`, content: `Sent under load: ${worker} ${at}` })),
      load(() => client.get('/api/v1/documents?limit=5')),
    ]);
    const served = () => statuses[202] ?? 0;
    await eventually(async () => served(), (count) => count > 8);
    second.child.kill('SIGTERM');
    await second.says(/"msg":"stopping"/);
    const before = served();
    // Within the 12 seconds for which it waits for the upload, on a machine that is busy, too.
    await eventually(async () => served(), (count) => count > before + 12);
    expect(await answerOf(unfinished)).toMatch(/^HTTP\/1\.1 202 /);
    expect(await second.ended()).toBe(0);
    const after = served();
    await eventually(async () => served(), (count) => count > after + 4, 60_000);
    isOver = true;
    await Promise.all(loads);
    expect(Object.keys(statuses)).toEqual(['200', '202']);
  }, 90_000);
});
