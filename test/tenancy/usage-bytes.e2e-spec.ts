import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { UsageService } from '../../src/tenancy/usage.service.js';
import { createKey, createTenant, eventually } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

/** More than a head and the framing of chunks take, and much less than the bodies here. */
const OVERHEAD = 4000;

interface Bytes {
  requests: number;
  failures: number;
  in: number;
  out: number;
}

describe('the bytes of usage', () => {
  let server: TestApp;
  let key: Awaited<ReturnType<typeof createKey>>;
  /** One connection for all of them, kept alive. */
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });

  beforeAll(async () => {
    server = await TestApp.start();
    const tenant = await createTenant(server.anonymous);
    key = await createKey(tenant.client, ['read', 'write', 'ingest', 'search']);
  });
  afterAll(async () => {
    agent.destroy();
    await server.stop();
  });
  beforeEach(() => server.database.query('DELETE FROM usage_hourly'));

  /** What was counted on a route, once it was. */
  async function bytesOf(route: string, requests = 1): Promise<Bytes> {
    const look = async (): Promise<Bytes> => {
      await server.app.get(UsageService, { strict: false }).flush();
      const [row] = await server.database.query<Bytes & object>(
        `SELECT coalesce(sum(requests), 0)::int AS requests, sum(requests) FILTER (WHERE status_class >= 4)::int AS failures, sum(bytes_in)::int AS in, sum(bytes_out)::int AS out FROM usage_hourly WHERE api_key_id = $1 AND route = $2`,
        [key.id, route],
      );
      return row!;
    };
    return eventually(look, (seen) => seen.requests >= requests);
  }

  /** Sends a body in parts, chunked unless its length is declared, and answers the status and how long the answer's body was. */
  async function send(path: string, parts: readonly string[], headers: Record<string, string> = {}): Promise<{ status: number; received: number }> {
    const sending = request(`${server.url}${path}`, { method: 'POST', agent, headers: { 'x-api-key': key.secret, 'content-type': 'application/json', ...headers } });
    // With a declared length the answer may come before the end.
    const answered = once(sending, 'response');
    for (const part of parts) {
      sending.write(part);
      await delay(5);
    }
    sending.end();
    const [response] = await answered;
    let received = 0;
    for await (const piece of response) received += (piece as Buffer).length;
    return { status: response.statusCode, received };
  }

  const JSON_PARTS = ['{"query":"', 'ü'.repeat(10_000), '"}'];
  const JSON_BYTES = 12 + 20_000;

  it('are exactly the two bodies of a JSON post', async () => {
    const { received } = await send('/api/v1/search', JSON_PARTS, { 'content-length': String(JSON_BYTES) });
    expect(await bytesOf('POST /api/v1/search')).toMatchObject({ requests: 1, in: JSON_BYTES, out: received });
  });

  it('are those of a chunked body as well, request by request on one connection', async () => {
    for (let at = 1; at <= 3; at++) await send('/api/v1/search', JSON_PARTS);
    const bytes = await bytesOf('POST /api/v1/search', 3);
    expect(bytes.in).toBeGreaterThanOrEqual(3 * JSON_BYTES);
    expect(bytes.in).toBeLessThan(3 * JSON_BYTES + OVERHEAD);
  });

  it('are none where there is no body', async () => {
    const { headers } = await key.client.get('/api/v1/databases');
    expect(await bytesOf('GET /api/v1/databases')).toMatchObject({ requests: 1, in: 0, out: Number(headers.get('content-length')) });
  });

  it('are those of a chunked upload', async () => {
    const file = 'A line of text.\n'.repeat(20_000);
    const form = ['--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n', file, '\r\n--x--\r\n'];
    expect(await send('/api/v1/ingest/file', form, { 'content-type': 'multipart/form-data; boundary=x' })).toMatchObject({ status: 202 });
    const bytes = await bytesOf('POST /api/v1/ingest/file');
    expect(bytes.in).toBeGreaterThanOrEqual(form.join('').length);
    expect(bytes.in).toBeLessThan(form.join('').length + OVERHEAD);
  });

  /** The beginning of an upload that claims to be longer, on a connection of its own that is cut once all of that has come, or been refused. */
  async function beginUpload(claimedLength: string, content: string): Promise<void> {
    const { hostname, port } = new URL(server.url);
    const accepted = once(server.app.getHttpServer(), 'connection') as Promise<[Socket]>;
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    const head = `POST /api/v1/ingest/file HTTP/1.1\r\nHost: x\r\nX-API-Key: ${key.secret}\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: ${claimedLength}\r\n\r\n`;
    const sent = `${head}--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n${content}`;
    socket.write(sent);
    const [connection] = await accepted;
    await eventually(async () => connection.destroyed || connection.bytesRead >= sent.length, Boolean);
    socket.destroy();
  }

  it.each([
    ['was cut half-way', '50000000'],
    ['lies about its length', '18446744073709551615'],
  ])('are no more than what came of an upload that %s, which failed', async (_, claimedLength) => {
    await beginUpload(claimedLength, 'b'.repeat(100_000));
    const bytes = await bytesOf('POST /api/v1/ingest/file');
    expect(bytes).toMatchObject({ requests: 1, failures: 1 });
    expect(bytes.in).toBeLessThan(100_000 + OVERHEAD);
    if (claimedLength === '50000000') expect(bytes.in).toBeGreaterThan(100_000);
  });
});
