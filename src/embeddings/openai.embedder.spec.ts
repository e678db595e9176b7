import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jest } from '@jest/globals';
import { Outbound } from '../outbound/outbound.js';
import { EmbeddingDimensionMismatch, EmbeddingFailed, type EmbeddedAmount } from './embedder.js';
import { createEmbedder } from './embedder.factory.js';
import { EndpointTurns } from './endpoint-turns.js';
import { OnnxModels } from './onnx-models.js';
import { OpenAiEmbedder } from './openai.embedder.js';
import type { OpenAiEmbedderOptions } from './openai.embedder.js';

interface Asked {
  url: string | undefined;
  headers: IncomingHttpHeaders;
  body: { model: string; input: string[]; encoding_format: string; dimensions?: number };
}
interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body: unknown;
}

let server: Server;
let url: string;
let outbound: Outbound;
let asked: Asked[] = [];
/** Answers that wait for the test. */
const held: (() => void)[] = [];
let isHolding = false;
/** What the provider under test does; undefined lets the request hang. */
let answer: (input: string[]) => Answer | undefined;

const vectorsOf = (input: string[]) => input.map((text, index) => ({ index, embedding: [text.length, index, 1] }));
const embedder = (options: Partial<OpenAiEmbedderOptions> = {}) =>
  new OpenAiEmbedder({ url, model: 'test-model', dimensions: 3, apiKey: 'sk-test', outbound, ...options });
const failure = (call: Promise<unknown>) => call.then(() => undefined, (error: unknown) => error as EmbeddingFailed);

beforeAll(async () => {
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (part: Buffer) => (text += part.toString()));
    request.on('end', () => {
      const body = JSON.parse(text) as Asked['body'];
      asked.push({ url: request.url, headers: request.headers, body });
      const reply = answer(body.input);
      if (!reply) return;
      const content = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body);
      const send = (): void => void response.writeHead(reply.status ?? 200, { 'content-type': 'application/json', ...reply.headers }).end(content);
      if (isHolding) held.push(send);
      else send();
    });
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as AddressInfo;
  url = `http://127.0.0.1:${port}/v1`;
  outbound = new Outbound({ allow: [`127.0.0.1:${port}`] });
});

afterAll(async () => {
  await outbound.close();
  await new Promise((done) => server.close(done).closeAllConnections());
});

beforeEach(() => {
  asked = [];
  answer = (input) => ({ body: { data: vectorsOf(input) } });
});

it('asks for plain numbers with the key and puts vectors in the order of the texts', async () => {
  answer = (input) => ({ body: { data: vectorsOf(input).reverse() } });
  const vectors = await embedder().embedDocuments(['a', 'bb', 'ccc']);
  expect(vectors).toEqual([[1, 0, 1], [2, 1, 1], [3, 2, 1]].map((numbers) => Float32Array.from(numbers)));
  expect(asked[0]).toMatchObject({ url: '/v1/embeddings', body: { model: 'test-model', encoding_format: 'float' } });
  expect(asked[0]!.headers.authorization).toBe('Bearer sk-test');
  expect(asked[0]!.body.dimensions).toBeUndefined();
});

it('splits by count and by estimated tokens', async () => {
  const many = Array.from({ length: 600 }, (_, at) => `text ${at}`);
  expect(await embedder().embedDocuments(many)).toHaveLength(600);
  expect(asked.map(({ body }) => body.input.length)).toEqual([256, 256, 88]);
  asked = [];
  await embedder({ batchTokens: 100 }).embedDocuments(['x'.repeat(240), 'y'.repeat(240), 'z'.repeat(30), 'w'.repeat(900)]);
  expect(asked.map(({ body }) => body.input.length)).toEqual([1, 2, 1]);
});

it('halves a batch that the server finds too large, keeping the order', async () => {
  answer = (input) => (input.length > 4 ? { status: 422, body: { error: 'batch size' } } : { body: { data: vectorsOf(input) } });
  const texts = Array.from({ length: 10 }, (_, at) => 'x'.repeat(at + 1));
  expect((await embedder().embedDocuments(texts)).map((vector) => vector[0])).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

it('waits as Retry-After says and succeeds', async () => {
  const replies: Answer[] = [{ status: 429, headers: { 'retry-after': '0' }, body: { error: { message: 'slow down' } } }];
  answer = (input) => replies.shift() ?? { body: { data: vectorsOf(input) } };
  expect(await embedder().embedQuery('a')).toHaveLength(3);
  expect(asked).toHaveLength(2);
});

it('gives up on 429 as something to try later', async () => {
  answer = () => ({ status: 429, headers: { 'retry-after-ms': '1' }, body: {} });
  const error = await failure(embedder({ maxRetries: 1 }).embedQuery('a'));
  expect(error).toMatchObject({ name: 'EmbeddingFailed', code: 'rate_limited', permanent: false });
});

it('does not sit out a long Retry-After, and tells of it', async () => {
  answer = () => ({ status: 429, headers: { 'retry-after': '45' }, body: {} });
  expect(await failure(embedder().embedDocuments(['a']))).toMatchObject({ code: 'rate_limited', permanent: false, retryAfterSeconds: 45 });
  answer = () => ({ status: 503, headers: { 'retry-after': new Date(Date.now() + 90_000).toUTCString() }, body: {} });
  const away = await failure(embedder().embedDocuments(['a']));
  expect(away).toMatchObject({ code: 'unavailable', permanent: false });
  expect(away!.retryAfterSeconds).toBeGreaterThan(80);
  expect(asked).toHaveLength(2);
});

it('stops at once when the caller does, also in the middle of a pause', async () => {
  answer = () => ({ status: 429, headers: { 'retry-after': '29' }, body: {} });
  const stopping = new AbortController();
  const call = embedder().embedDocuments(['a'], stopping.signal);
  while (asked.length === 0) await new Promise((soon) => setTimeout(soon, 10));
  setTimeout(() => stopping.abort(new Error('cancelled')), 200);
  await expect(call).rejects.toThrow('cancelled');
  expect(asked).toHaveLength(1);
});

it.each([
  [401, 'unauthorized', true],
  [404, 'rejected', true],
  [503, 'unavailable', false],
])('turns %i into %s', async (status, code, permanent) => {
  answer = () => ({ status, body: { error: { message: 'sk-test is wrong' } } });
  const error = await failure(embedder({ maxRetries: 0 }).embedQuery('a'));
  expect(error).toBeInstanceOf(EmbeddingFailed);
  expect(error).toMatchObject({ code, permanent });
  expect(error!.message).not.toContain('sk-test');
  expect(asked).toHaveLength(1);
});

it('refuses vectors of another size for good', async () => {
  const error = await failure(embedder({ dimensions: 4 }).embedQuery('a'));
  expect(error).toBeInstanceOf(EmbeddingDimensionMismatch);
  expect(error).toMatchObject({ expected: 4, actual: 3, permanent: true });
});

it.each([
  ['too few vectors', { data: [] }],
  ['a repeated index', { data: [0, 0].map((index) => ({ index, embedding: [1, 2, 3] })) }],
  ['an index out of range', { data: [0, 7].map((index) => ({ index, embedding: [1, 2, 3] })) }],
  ['base64', { data: [0, 1].map((index) => ({ index, embedding: 'AACAPw==' })) }],
  ['text for numbers', { data: [0, 1].map((index) => ({ index, embedding: ['x', 2, 3] })) }],
  ['null', null],
  ['broken JSON', '{"data": ['],
])('refuses %s', async (_kind, body) => {
  answer = () => ({ body });
  expect(await failure(embedder().embedDocuments(['a', 'b']))).toMatchObject({ code: 'invalid_response' });
});

it('ends an attempt that hangs', async () => {
  answer = () => undefined;
  // Counted where they begin: of one that has no more than this moment nothing need arrive.
  const begin = jest.spyOn(outbound, 'fetch');
  const error = await failure(embedder({ timeoutMs: 50, maxRetries: 1 }).embedQuery('a'));
  expect(error).toMatchObject({ code: 'timeout', permanent: false });
  expect(begin).toHaveBeenCalledTimes(2);
  begin.mockRestore();
});

it('stops with the reason of the caller', async () => {
  const stop = new AbortController();
  answer = () => (stop.abort(new Error('enough')), undefined);
  await expect(embedder().embedQuery('a', stop.signal)).rejects.toThrow('enough');
});

it('never reaches a private address that was not named', async () => {
  const strict = new Outbound();
  const error = await failure(embedder({ outbound: strict, maxRetries: 0 }).embedQuery('a'));
  expect(error).toMatchObject({ code: 'not_allowed', permanent: true });
  expect(asked).toHaveLength(0);
  await strict.close();
});

describe('what it reports', () => {
  const amounts = async (body: (input: string[]) => object, texts = ['abc', 'abcdef']): Promise<EmbeddedAmount[]> => {
    const noted: EmbeddedAmount[] = [];
    answer = (input) => ({ body: { data: vectorsOf(input), ...body(input) } });
    await embedder({ batchSize: 2 }).embedDocuments(texts, undefined, (amount) => noted.push(amount));
    return noted;
  };

  it('is what the provider counted, request by request', async () => {
    expect(await amounts((input) => ({ usage: { prompt_tokens: 10 + input.length, total_tokens: 99 } }), ['a', 'b', 'c'])).toEqual([{ texts: 2, tokens: 12 }, { texts: 1, tokens: 11 }]);
    expect(await amounts(() => ({ usage: { total_tokens: 7 } }))).toEqual([{ texts: 2, tokens: 7 }]);
  });

  it.each([undefined, null, 'many', { prompt_tokens: 0, total_tokens: 0 }, { prompt_tokens: -5 }, { prompt_tokens: 1e18 }, { prompt_tokens: 1.5 }, { prompt_tokens: '12' }])('is an estimate when the provider says %j', async (usage) => {
    expect(await amounts(() => ({ usage }))).toEqual([{ texts: 2, tokens: 3 }]);
  });

  it('holds also for a call that fails later, and never counts a refused request', async () => {
    const noted: EmbeddedAmount[] = [];
    answer = (input) => (input.includes('bad') ? { status: 400, body: {} } : { body: { data: vectorsOf(input), usage: { prompt_tokens: 5 } } });
    await failure(embedder({ batchSize: 1 }).embedDocuments(['good', 'bad'], undefined, (amount) => noted.push(amount)));
    expect(noted).toEqual([{ texts: 1, tokens: 5 }]);
  });
});

describe('turns', () => {
  const arrived = async (count: number): Promise<void> => {
    while (asked.length < count) await new Promise((soon) => setImmediate(soon));
  };
  const releaseAll = (): void => {
    isHolding = false;
    for (const release of held.splice(0)) release();
  };

  it('keeps a hundred jobs from asking at once, lets a question past them, and gives up a place in the queue that is not wanted any more', async () => {
    isHolding = true;
    const turns = new EndpointTurns(3);
    const one = embedder({ turns });
    const another = embedder({ turns, model: 'another' });
    const calls = Array.from({ length: 100 }, (_, at) => (at % 2 ? one : another).embedDocuments([`passage ${at}`]));
    await arrived(3);
    const stopping = new AbortController();
    const stopped = one.embedDocuments(['unwanted'], stopping.signal);
    stopping.abort(new Error('not wanted'));
    await expect(stopped).rejects.toThrow('not wanted');
    const question = one.embedQuery('question');
    await arrived(4);
    expect(asked.map(({ body }) => body.input[0])).toEqual([expect.any(String), expect.any(String), expect.any(String), 'question']);
    releaseAll();
    await Promise.all([question, ...calls]);
    expect(asked).toHaveLength(101);
    expect(asked.flatMap(({ body }) => body.input)).not.toContain('unwanted');
  });

  it('lets nobody else ask while the provider has asked to wait', async () => {
    const turns = new EndpointTurns(3);
    const refused: number[] = [];
    answer = (input) => {
      if (refused.length > 0) return { body: { data: vectorsOf(input) } };
      refused.push(Date.now());
      return { status: 429, headers: { 'retry-after-ms': '400' }, body: {} };
    };
    const first = embedder({ turns }).embedDocuments(['first']);
    await arrived(1);
    while (turns['pausedUntil'] === 0) await new Promise((soon) => setImmediate(soon));
    await embedder({ turns }).embedDocuments(['second']);
    expect(Date.now() - refused[0]!).toBeGreaterThanOrEqual(395);
    await first;
    expect(asked.filter(({ body }) => body.input[0] === 'first')).toHaveLength(2);
    expect(asked).toHaveLength(3);
  });
});

describe('createEmbedder', () => {
  const models = new OnnxModels('/nowhere');

  it('allows the endpoint the operator has configured', async () => {
    const own = await createEmbedder({ provider: 'openai', url, model: 'm', dimensions: 3, outboundAllow: [], models });
    expect(await own.embedQuery('a')).toHaveLength(3);
  });

  it('knows the sizes of OpenAI models', async () => {
    expect(await createEmbedder({ provider: 'openai', apiKey: 'k', outboundAllow: [], models })).toMatchObject({
      model: 'text-embedding-3-small',
      dimensions: 1536,
    });
    expect(await createEmbedder({ provider: 'hash', outboundAllow: [], models })).toMatchObject({ model: 'local-lexical-1024', dimensions: 1024 });
  });

  it.each([
    ['EMBEDDING_API_KEY', {}],
    ['EMBEDDING_MODEL', { url: 'http://tei:80' }],
    ['EMBEDDING_DIMENSIONS', { url: 'http://tei:80', model: 'bge' }],
    ['EMBEDDING_URL', { url: 'tei:80', model: 'bge', dimensions: 3 }],
  ])('names %s when it is missing or wrong', async (name, options) => {
    await expect(createEmbedder({ provider: 'openai', outboundAllow: [], models, ...options })).rejects.toThrow(name);
  });
});
