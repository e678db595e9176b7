import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const DIMENSIONS = 3;

interface Refusal {
  status: number;
  headers?: Record<string, string>;
}

/** An OpenAI-compatible endpoint that answers only while the test lets it. */
export class EmbeddingServer {
  private waiting: (() => void)[] = [];
  private heldFrom = Number.POSITIVE_INFINITY;
  private asked = 0;
  /** What the next requests are answered with, for good: the client does not try again by itself. Then 200. */
  refusals: number[] = [];
  private refusal: ((request: number) => Refusal | undefined) | undefined;
  /** Every text that was embedded, in the order in which they came. */
  readonly embedded: string[] = [];
  /** When each request came, in milliseconds since the epoch. */
  readonly askedAt: number[] = [];
  /** Requests whose client hung up before it had its answer. */
  abandoned = 0;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<EmbeddingServer> {
    const server = createServer();
    const embeddings = new EmbeddingServer(server);
    server.on('request', (request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.once('close', () => {
        if (!response.writableFinished) embeddings.abandoned += 1;
      });
      request.once('end', () => {
        const { input } = JSON.parse(body) as { input: string[] };
        const refusal = embeddings.nextRefusal();
        if (!refusal) embeddings.embedded.push(...input);
        const answer = JSON.stringify(refusal ? { error: { message: 'later' } } : { data: input.map((_, index) => ({ index, embedding: Array.from({ length: DIMENSIONS }, () => 0.5) })) });
        embeddings.take(() => response.writeHead(refusal?.status ?? 200, { 'content-type': 'application/json', ...refusal?.headers }).end(answer));
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

  get requests(): number {
    return this.asked;
  }

  /** Answers so many requests more, and then none. */
  hold(answered = 0): void {
    this.heldFrom = this.asked + answered + 1;
  }

  release(): void {
    this.heldFrom = Number.POSITIVE_INFINITY;
    for (const answer of this.waiting.splice(0)) answer();
  }

  /** Refuses what `refusal` has an answer for, by the number of the request since the start, from 1. */
  refuse(refusal: ((request: number) => Refusal | undefined) | undefined): void {
    this.refusal = refusal;
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

  private nextRefusal(): Refusal | undefined {
    const status = this.refusals.shift() ?? 200;
    return status === 200 ? this.refusal?.(this.asked + 1) : { status, headers: { 'x-should-retry': 'false' } };
  }

  private take(answer: () => void): void {
    this.asked += 1;
    this.askedAt.push(Date.now());
    if (this.asked >= this.heldFrom) this.waiting.push(answer);
    else answer();
    this.server.emit('asked');
  }
}
