import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import multipart from '@fastify/multipart';
import { fastify, type FastifyInstance } from 'fastify';
import { AppError } from './common/errors.js';
import { readJsonOnly } from './http-surface.js';
import { connectionOptions, refuseOddRequests, type Patience } from './slow-clients.js';

// Stalled by far: a busy machine may hold up for a while what drips in here.
const SHORT: Patience = { head: 250, look: 20, body: 400, stalled: 700, idle: 300 };

describe('a slow client', () => {
  let server: FastifyInstance;
  let port: number;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    server = fastify({ forceCloseConnections: true, ...connectionOptions(SHORT) });
    readJsonOnly(server);
    await server.register(multipart);
    refuseOddRequests(server, SHORT);
    server.setErrorHandler((error, _, reply) => {
      if (error instanceof AppError) void reply.status(error.status).headers(error.headers).send({ code: error.code });
      else void reply.status((error as { statusCode?: number }).statusCode ?? 500).send({ code: String(error) });
    });
    server.post('/json', ({ body }) => body);
    server.post('/form', async (request) => {
      let bytes = 0;
      for await (const chunk of (await request.file())!.file) bytes += (chunk as Buffer).length;
      return { bytes };
    });
    server.get('/', () => 'here');
    await server.listen({ port: 0, host: '127.0.0.1' });
    ({ port } = server.server.address() as AddressInfo);
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });
  afterAll(() => server.close());

  /** Sends each piece some milliseconds after the one before, until the server closes; what it said by then. */
  async function drip(pieces: Iterable<string>, ms: number): Promise<string> {
    const socket = connect(port, '127.0.0.1').setNoDelay(true).setEncoding('utf8');
    sockets.push(socket);
    let said = '';
    socket.on('data', (text: string) => (said += text)).on('error', () => undefined);
    await once(socket, 'connect');
    // Not `once`, which an error ends: a write into a connection that just closed.
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const left = pieces[Symbol.iterator]();
    const timer = setInterval(() => {
      const { value, done } = left.next();
      if (done === true || !socket.writable) clearInterval(timer);
      else socket.write(value);
    }, ms);
    await closed;
    clearInterval(timer);
    return said;
  }

  function* endless(start: string, piece: string): Generator<string> {
    yield start;
    for (;;) yield piece;
  }

  it('who sends nothing is hung up on', async () => {
    expect(await drip([], 50)).toMatch(/^(HTTP\/1\.1 408 |$)/);
  });

  it('whose head never ends hears 408', async () => {
    expect(await drip(endless('GET / HTTP/1.1\r\nHost: x\r\n', 'X-A: b\r\n'), 20)).toMatch(/^HTTP\/1\.1 408 [^]*"code":"request_timeout"/);
  });

  it('whose JSON drips in hears 408, though it always moves', async () => {
    const said = await drip(endless('POST /json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"', 'x'), 20);
    expect(said).toMatch(/^HTTP\/1\.1 408 [^]*connection: close[^]*"code":"request_timeout"/i);
  });

  it('whose body of a type that nobody reads drips in hears so at once', async () => {
    expect(await drip(endless('POST /json HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n', 'x'), 20)).toMatch(/^HTTP\/1\.1 415 /);
  });

  it('whose upload stalls is hung up on', async () => {
    expect(await drip(['POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx'], 10)).toBe('');
  });

  it('whose upload goes on for longer than all of these times is waited for', async () => {
    const head = '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n';
    const tail = '\r\n--b--\r\n';
    const request = `POST /form HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${head.length + 30 + tail.length}\r\n\r\n${head}`;
    expect(await drip([request, ...Array.from({ length: 30 }, () => 'x'), tail], 30)).toMatch(/^HTTP\/1\.1 200 [^]*\{"bytes":30\}$/);
  });

  it('who asks nothing more is let go', async () => {
    expect(await drip(['GET / HTTP/1.1\r\nHost: x\r\n\r\n'], 10)).toMatch(/^HTTP\/1\.1 200 [^]*here$/);
  });

  it('keeps nobody else waiting', async () => {
    const slow = Array.from({ length: 200 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    sockets.push(...slow);
    for (const socket of slow) socket.write('GET / HTTP/1.1\r\n');
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('here');
  });
});
