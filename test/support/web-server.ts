import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A site somewhere on the Internet, as far as the server under test knows. */
export class WebServer {
  /** What each path answers; anything else is 404. */
  readonly pages: Record<string, RequestListener> = {};
  readonly requests: IncomingMessage[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<WebServer> {
    const server = createServer();
    const site = new WebServer(server);
    server.on('request', (request, response) => {
      site.requests.push(request);
      const page = site.pages[request.url!.split('?')[0]!];
      if (page) page(request, response);
      else response.writeHead(404, { 'content-type': 'text/html' }).end('<p>Not here.</p>');
      server.emit('asked');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return site;
  }

  /** `host:port`, for OUTBOUND_ALLOW. */
  get host(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  url(path: string): string {
    return `http://${this.host}${path}`;
  }

  /** Answers what every GET of the path will get. */
  serve(path: string, content: string | Buffer, headers: Record<string, string> = { 'content-type': 'text/html' }): string {
    this.pages[path] = (_, response) => response.writeHead(200, headers).end(content);
    return this.url(path);
  }

  /** Resolves when so many requests have come since the start. */
  async received(count: number): Promise<void> {
    while (this.requests.length < count) await once(this.server, 'asked');
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}
