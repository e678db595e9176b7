import OpenAI from 'openai';
import type { Outbound } from '../outbound/outbound.js';
import { UrlNotAllowed, UrlTimedOut, UrlTooLarge } from '../outbound/outbound.errors.js';
import { retryAfterSeconds } from '../outbound/retry-after.js';
import { Embedder, EmbeddingDimensionMismatch, EmbeddingFailed, estimateAmount, estimateTokens, type NoteEmbedded } from './embedder.js';
import { EndpointTurns } from './endpoint-turns.js';

export interface OpenAiEmbedderOptions {
  /** The base, such as `https://api.openai.com/v1`. */
  url: string;
  model: string;
  dimensions: number;
  /** Local servers mostly want none. */
  apiKey?: string;
  /** Its `allow` list must name the operator's own endpoint when that is private. */
  outbound: Outbound;
  maxInputTokens?: number;
  /** Texts in one request; 256. */
  batchSize?: number;
  /** Estimated tokens in one request; 100,000, a third of what OpenAI takes. */
  batchTokens?: number;
  /** Of one attempt, to the last byte; 60 s. */
  timeoutMs?: number;
  /** After the first attempt, obeying Retry-After; 3. */
  maxRetries?: number;
  /** Shared with whoever else asks the same endpoint; its own when absent. */
  turns?: EndpointTurns;
}

/** Within one attempt no answer is waited for longer than this, so that the worker can do something else meanwhile. */
const LONGEST_PAUSE_SECONDS = 30;

/** More than any request holds. What a tenant's own endpoint claims beyond it would spoil the sums of all tenants, which are written together. */
const MOST_TOKENS = 10_000_000;

/** 256 vectors of 4,096 numbers written out take about 25 MB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Speaks to any server with OpenAI's `/embeddings`, hosted or beside us (vLLM, TEI, Ollama, LM Studio). */
export class OpenAiEmbedder extends Embedder {
  override readonly provider = 'openai';
  override readonly model: string;
  override readonly dimensions: number;
  override readonly maxInputTokens: number;
  private readonly client: OpenAI;
  private readonly batchSize: number;
  private readonly batchTokens: number;
  private readonly turns: EndpointTurns;

  constructor(options: OpenAiEmbedderOptions) {
    super();
    this.model = options.model;
    this.dimensions = options.dimensions;
    this.maxInputTokens = options.maxInputTokens ?? 8191;
    this.batchSize = Math.min(options.batchSize ?? 256, 256);
    this.batchTokens = options.batchTokens ?? 100_000;
    this.turns = options.turns ?? new EndpointTurns();
    const timeoutMs = options.timeoutMs ?? 60_000;
    // The client refuses to start without one.
    const apiKey = options.apiKey ?? 'none';
    this.client = new OpenAI({
      baseURL: options.url,
      apiKey,
      // Otherwise read from the environment, where they may belong to another program.
      organization: null,
      project: null,
      fetch: async (input, init) =>
        this.obeyPause(await options.outbound.fetch(input, { ...init, headers: ownHeaders(init?.headers, apiKey), totalTimeoutMs: timeoutMs, maxBytes: MAX_ANSWER_BYTES })),
      // The client's own clock stops at the headers; ours, the shorter one, runs to the last byte.
      timeout: timeoutMs * 2,
      maxRetries: options.maxRetries ?? 3,
      logLevel: 'off',
    });
  }

  override async embedDocuments(texts: string[], signal?: AbortSignal, note?: NoteEmbedded): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    for (const batch of this.batches(texts)) vectors.push(...(await this.turns.take(() => this.embedBatch(batch, signal, note), signal)));
    return vectors;
  }

  override async embedQuery(text: string, signal?: AbortSignal, note?: NoteEmbedded): Promise<Float32Array> {
    const [vector] = await this.embedBatch([text], signal, note);
    return vector!;
  }

  private *batches(texts: string[]): Generator<string[]> {
    let batch: string[] = [];
    let tokens = 0;
    for (const text of texts) {
      const cost = estimateTokens(text);
      if (batch.length === this.batchSize || (batch.length > 0 && tokens + cost > this.batchTokens)) {
        yield batch;
        batch = [];
        tokens = 0;
      }
      batch.push(text);
      tokens += cost;
    }
    if (batch.length > 0) yield batch;
  }

  private async embedBatch(batch: string[], signal: AbortSignal | undefined, note: NoteEmbedded | undefined): Promise<Float32Array[]> {
    signal?.throwIfAborted();
    try {
      return await this.request(batch, signal, note);
    } catch (error) {
      signal?.throwIfAborted();
      // Servers have limits of their own (TEI takes 32 texts by default) and no way to tell them beforehand.
      const tooLarge = error instanceof OpenAI.APIError && (error.status === 413 || error.status === 422);
      if (!tooLarge || batch.length === 1) throw toEmbeddingFailed(error);
    }
    const half = Math.ceil(batch.length / 2);
    const first = await this.embedBatch(batch.slice(0, half), signal, note);
    return [...first, ...(await this.embedBatch(batch.slice(half), signal, note))];
  }

  private async request(batch: string[], signal: AbortSignal | undefined, note: NoteEmbedded | undefined): Promise<Float32Array[]> {
    const answer = await this.client.embeddings.create(
      {
        model: this.model,
        // OpenAI refuses the empty string.
        input: batch.map((text) => text || ' '),
        // Many compatible servers do not know base64, the client's own default.
        encoding_format: 'float',
        // Only this family can shorten its vectors; elsewhere the parameter is refused.
        ...(this.model.startsWith('text-embedding-3') ? { dimensions: this.dimensions } : {}),
      },
      { signal },
    );
    const { data, usage } = (answer ?? {}) as { data?: unknown; usage?: unknown };
    // It is paid for, whether the answer can be used or not.
    note?.({ texts: batch.length, tokens: tokensIn(usage) ?? estimateAmount(batch).tokens });
    return this.inOrder(data, batch.length);
  }

  private obeyPause(answer: Response): Response {
    const pause = answer.ok ? undefined : retryAfterSeconds(answer.headers);
    if (pause === undefined) return answer;
    if (pause > LONGEST_PAUSE_SECONDS) return withoutRetry(answer);
    this.turns.pause(pause);
    return answer;
  }

  /** The order of `data` is not promised, its `index` is. */
  private inOrder(data: unknown, count: number): Float32Array[] {
    if (!Array.isArray(data) || data.length !== count) throw invalid(`answered another number of vectors than ${count}`);
    const vectors = new Array<Float32Array | undefined>(count);
    for (const { index, embedding } of data as { index?: unknown; embedding?: unknown }[]) {
      if (!Number.isInteger(index) || !Array.isArray(embedding)) throw invalid('answered no list of numbers with an index');
      if (embedding.length !== this.dimensions) throw new EmbeddingDimensionMismatch(this.dimensions, embedding.length);
      const vector = Float32Array.from(embedding as number[]);
      if (!vector.every(Number.isFinite)) throw invalid('answered something that is not a number');
      vectors[index as number] = vector;
    }
    return Array.from({ length: count }, (_, at) => vectors[at] ?? missing(at));
  }
}

/** What the server says it counted; undefined when that says nothing: local servers leave it out or answer zero. */
function tokensIn(usage: unknown): number | undefined {
  const { prompt_tokens: prompt, total_tokens: total } = (usage ?? {}) as { prompt_tokens?: unknown; total_tokens?: unknown };
  return [prompt, total].find((tokens): tokens is number => Number.isInteger(tokens) && (tokens as number) > 0 && (tokens as number) <= MOST_TOKENS);
}

function missing(index: number): never {
  throw invalid(`left out the text at ${index}`);
}

function invalid(what: string, cause?: unknown): EmbeddingFailed {
  return new EmbeddingFailed('invalid_response', false, `The embedding server ${what}.`, cause);
}

/** The client adds what `OPENAI_CUSTOM_HEADERS` holds, which may be the operator's credentials and is nothing for a tenant's endpoint. */
function ownHeaders(headers: RequestInit['headers'], apiKey: string): Headers {
  const all = new Headers(headers);
  const own = new Headers({ authorization: `Bearer ${apiKey}` });
  for (const name of ['accept', 'content-type', 'user-agent']) {
    const value = all.get(name);
    if (value !== null) own.set(name, value);
  }
  return own;
}

/** The client obeys a Retry-After of up to a minute and ignores a longer one: of that, whoever asked shall hear. */
function withoutRetry(answer: Response): Response {
  const headers = new Headers(answer.headers);
  headers.set('x-should-retry', 'false');
  return new Response(answer.body, { status: answer.status, statusText: answer.statusText, headers });
}

function toEmbeddingFailed(error: unknown): unknown {
  if (error instanceof EmbeddingFailed) return error;
  if (error instanceof OpenAI.APIError && error.status !== undefined) return toRefusal(error.status, error, error.headers && retryAfterSeconds(error.headers));
  const root = error instanceof OpenAI.APIConnectionError && error.cause !== undefined ? error.cause : error;
  if (error instanceof OpenAI.APIConnectionTimeoutError || root instanceof UrlTimedOut) {
    return new EmbeddingFailed('timeout', false, 'The embedding server did not answer in time.', error);
  }
  if (root instanceof UrlNotAllowed && !root.transient) {
    return new EmbeddingFailed('not_allowed', true, 'The address of the embedding server may not be used here.', error);
  }
  if (root instanceof SyntaxError || root instanceof UrlTooLarge) return invalid('answered something unreadable', error);
  // fetch says TypeError for a connection that broke off within the body.
  if (error instanceof OpenAI.APIConnectionError || root instanceof TypeError) {
    return new EmbeddingFailed('unavailable', false, 'The embedding server cannot be reached.', error);
  }
  return error;
}

function toRefusal(status: number, cause: unknown, pause: number | undefined): EmbeddingFailed {
  const message = `The embedding server answered ${status}.`;
  if (status === 401 || status === 403) return new EmbeddingFailed('unauthorized', true, message, cause);
  if (status === 429) return new EmbeddingFailed('rate_limited', false, message, cause, pause);
  if (status === 503) return new EmbeddingFailed('unavailable', false, message, cause, pause);
  if (status === 408 || status === 409 || status >= 500) return new EmbeddingFailed('unavailable', false, message, cause);
  return new EmbeddingFailed('rejected', true, message, cause);
}
