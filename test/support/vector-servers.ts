import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { WebServer } from './web-server.js';

/** Of nobody: signed by itself, for 127.0.0.1, until 2126. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUPOgV0HY9503sLze3rdcUmMTP8L4wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNjAyMDM0NloYDzIxMjYxMTAy
MDIwMzQ2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASSDnM4Kn/mdj3rIoP/IOt0thz6qUP4/tBJ8lTmG0dXUEZ5DtJ9QVFe
4cAPmnNXOB0fdSwWRKyvrotejX2vn7vho28wbTAdBgNVHQ4EFgQUYaujbZqLCZcl
t6Yz4O3pvVLI4IwwHwYDVR0jBBgwFoAUYaujbZqLCZclt6Yz4O3pvVLI4IwwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwCgYIKoZI
zj0EAwIDRwAwRAIgJV7omolpdbraHy0MmB2LRMw8rkHN4RjYfdjDJO2vz5kCID1a
0w0s7i/ubMO7zHSAJUxCewhiHlJorNfWLLSxGikf
-----END CERTIFICATE-----`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg/AgnuyEvfyU45PSL
2xoiSbix9fyrW+jMwhN+KnwTZ7+hRANCAASSDnM4Kn/mdj3rIoP/IOt0thz6qUP4
/tBJ8lTmG0dXUEZ5DtJ9QVFe4cAPmnNXOB0fdSwWRKyvrotejX2vn7vh
-----END PRIVATE KEY-----`;

const json = (body: unknown, status = 200): RequestListener => (_, response) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

/** Lets in who shows the key in this header. */
const forKey = (header: string, key: string | undefined, page: RequestListener): RequestListener => (request, response) => {
  if (key === undefined || request.headers[header] === key) page(request, response);
  else response.writeHead(401).end('Must provide an API key: <b>internal</b>');
};

/** Answers what a Qdrant server does that is asked who it is. */
export function answerLikeQdrant(site: WebServer, { version = '1.19.0', key }: { version?: string; key?: string } = {}): void {
  site.pages['/'] = json({ title: 'qdrant - vector search engine', version, commit: 'x' });
  site.pages['/collections/morag-connection-test/exists'] = forKey('api-key', key, json({ result: { exists: false }, status: 'ok', time: 0 }));
}

/** Answers what a Chroma server does that is asked who it is. */
export function answerLikeChroma(site: WebServer, { version = '1.0.0', key, tenant = 'default_tenant', database = 'default_database' }: { version?: string; key?: string; tenant?: string; database?: string } = {}): void {
  site.pages['/api/v2/version'] = json(version);
  site.pages['/api/v2/pre-flight-checks'] = json({ max_batch_size: 1000 });
  site.pages[`/api/v2/tenants/${tenant}/databases/${database}`] = forKey('x-chroma-token', key, json({ id: 'x', name: database, tenant }));
}

/** Answers as Chroma did before it had the present interface. */
export function answerLikeOldChroma(site: WebServer, version: string): void {
  site.pages['/api/v2/version'] = json({ detail: 'Not Found' }, 404);
  site.pages['/api/v1/version'] = json(version);
}

/** A port behind which is no HTTP server. */
export class RawServer {
  private readonly sockets = new Set<Socket>();
  connections = 0;

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => {
      this.connections += 1;
      this.sockets.add(socket.on('error', () => undefined).once('close', () => this.sockets.delete(socket)));
    });
  }

  /** Does this with whoever connects. */
  static async start(treat: (socket: Socket) => void): Promise<RawServer> {
    return RawServer.listen(createTcpServer(treat));
  }

  /** HTTPS with a certificate that nobody trusts. */
  static async startTls(answer: RequestListener): Promise<RawServer> {
    return RawServer.listen(createTlsServer({ cert: CERTIFICATE, key: KEY }, answer));
  }

  private static async listen(server: Server): Promise<RawServer> {
    const raw = new RawServer(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return raw;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Cuts off everybody from now on. */
  refuse(): void {
    this.server.on('connection', (socket: Socket) => socket.destroy());
    for (const socket of this.sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** A message of PostgreSQL's protocol: type, length, body. */
function message(type: string, ...parts: (string | number[])[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  const head = Buffer.alloc(5, type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** A server that lets everybody in, and answers everything with this error. */
export function answerLikePostgres(socket: Socket, state: string, text: string): void {
  const ready = message('Z', 'I');
  let hasBegun = false;
  socket.on('data', () => {
    socket.write(Buffer.concat([hasBegun ? message('E', `SERROR\0VERROR\0C${state}\0M${text}\0\0`) : message('R', [0, 0, 0, 0]), ready]));
    hasBegun = true;
  });
}

/** A port on which nobody listens. */
export async function refusingPort(): Promise<number> {
  const server = await RawServer.start(() => undefined);
  const { port } = server;
  await server.stop();
  return port;
}
