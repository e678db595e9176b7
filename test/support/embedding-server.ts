import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const DIMENSIONS = 3;

/** An OpenAI-compatible endpoint that answers only while the test lets it, and as it says. */
export class EmbeddingServer {
  private waiting: (() => void)[] = [];
  private held = false;
  private asked = 0;
  /** What the next requests are answered with; then 200. */
  refusals: number[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<EmbeddingServer> {
    const server = createServer();
    const embeddings = new EmbeddingServer(server);
    server.on('request', (request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.once('end', () => {
        const { input } = JSON.parse(body) as { input: string[] };
        const answer = JSON.stringify({ data: input.map((_, index) => ({ index, embedding: Array.from({ length: DIMENSIONS }, () => 0.5) })) });
        const status = embeddings.refusals.shift() ?? 200;
        // The client library would try again by itself.
        const headers = { 'content-type': 'application/json', 'x-should-retry': 'false' };
        embeddings.take(() => response.writeHead(status, headers).end(status === 200 ? answer : JSON.stringify({ error: { message: 'refused' } })));
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return embeddings;
  }

  /** What a server needs to use it. */
  get env(): Record<string, string> {
    const { port } = this.server.address() as AddressInfo;
    return { EMBEDDING_PROVIDER: 'openai', EMBEDDING_URL: `http://127.0.0.1:${port}/v1`, EMBEDDING_MODEL: 'test', EMBEDDING_DIMENSIONS: String(DIMENSIONS) };
  }

  /** Requests since the start. */
  get count(): number {
    return this.asked;
  }

  hold(): void {
    this.held = true;
  }

  release(): void {
    this.held = false;
    for (const answer of this.waiting.splice(0)) answer();
  }

  /** Resolves when so many requests have come since the start. */
  async received(count: number): Promise<void> {
    while (this.asked < count) await once(this.server, 'asked');
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private take(answer: () => void): void {
    this.asked += 1;
    if (this.held) this.waiting.push(answer);
    else answer();
    this.server.emit('asked');
  }
}
