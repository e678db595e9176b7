import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

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
  /** How many tokens the answers said that there were. */
  tokens = 0;
  /** Every text that was embedded, in the order in which they came. */
  readonly embedded: string[] = [];
  /** What each request named as its credential. */
  readonly credentials: (string | undefined)[] = [];
  /** When each request came, in milliseconds since the epoch. */
  readonly askedAt: number[] = [];
  /** Requests whose client hung up before it had its answer. */
  abandoned = 0;

  private constructor(
    private readonly server: Server,
    private readonly dimensions: number,
  ) {}

  static async start({ dimensions = 3 } = {}): Promise<EmbeddingServer> {
    const server = createServer();
    const embeddings = new EmbeddingServer(server, dimensions);
    server.on('request', (request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.once('close', () => {
        if (!response.writableFinished) embeddings.abandoned += 1;
      });
      request.once('end', () => {
        const { input } = JSON.parse(body) as { input: string[] };
        embeddings.credentials.push(request.headers.authorization);
        const refusal = embeddings.nextRefusal();
        if (!refusal) embeddings.embedded.push(...input);
        const tokens = refusal ? 0 : embeddings.countTokens(input);
        const answer = JSON.stringify(refusal ? { error: { message: 'later' } } : { usage: { prompt_tokens: tokens, total_tokens: tokens }, data: input.map((_, index) => ({ index, embedding: Array.from({ length: dimensions }, () => 0.5) })) });
        embeddings.take(() => response.writeHead(refusal?.status ?? 200, { 'content-type': 'application/json', ...refusal?.headers }).end(answer));
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return embeddings;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
  }

  /** What a server needs to use it. */
  get env(): Record<string, string> {
    return { EMBEDDING_PROVIDER: 'openai', EMBEDDING_URL: this.url, EMBEDDING_MODEL: 'test', EMBEDDING_DIMENSIONS: String(this.dimensions) };
  }

  /** What a database needs to use it; the server must allow 127.0.0.1. */
  get choice(): { embedding_provider: 'openai'; embedding_url: string; embedding_model: string; dimensions: number } {
    return { embedding_provider: 'openai', embedding_url: this.url, embedding_model: 'test', dimensions: this.dimensions };
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

  /** One a character: no estimate comes to the same. */
  private countTokens(input: readonly string[]): number {
    const tokens = input.reduce((sum, text) => sum + text.length, 0);
    this.tokens += tokens;
    return tokens;
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
