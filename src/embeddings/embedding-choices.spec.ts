import { ValidationFailed } from '../common/request-errors.js';
import { Outbound } from '../outbound/outbound.js';
import { UrlNotAllowed } from '../outbound/outbound.errors.js';
import { chooseEmbedding, type WantedEmbedding } from './embedding-choices.js';
import { HashEmbedder } from './hash.embedder.js';
import { OnnxModels } from './onnx-models.js';

/** Addresses, so that no name server is asked. */
const PUBLIC = 'https://1.1.1.1/v1';
const PRIVATE = 'http://10.1.2.3:8080/v1';
const outbound = new Outbound({ allow: ['10.9.9.9:8080'] });
const standard = new HashEmbedder();
const models = new OnnxModels('/nowhere', () => Promise.reject(new Error('no such package')));
const choose = (wanted: WantedEmbedding) => chooseEmbedding(wanted, { standard, outbound, models });

afterAll(() => outbound.close());

it('is the model of the installation when nothing is asked for, and the built-in one by its name', async () => {
  const lexical = { model: 'local-lexical-1024', dimensions: 1024, url: null };
  expect(await choose({})).toEqual({ provider: null, ...lexical });
  expect(await choose({ model: 'local-lexical-1024', dimensions: 1024 })).toEqual({ provider: null, ...lexical });
  expect(await choose({ provider: 'hash' })).toEqual({ provider: 'hash', ...lexical });
});

it('takes an endpoint with a model and its dimensions, which of a known model need not be said', async () => {
  expect(await choose({ provider: 'openai', url: PUBLIC, model: 'bge-m3', dimensions: 1024 })).toEqual({ provider: 'openai', model: 'bge-m3', dimensions: 1024, url: PUBLIC });
  expect(await choose({ provider: 'openai', url: PUBLIC, model: 'text-embedding-ada-002' })).toMatchObject({ dimensions: 1536 });
  expect(await choose({ provider: 'openai', url: PUBLIC, model: 'text-embedding-3-large', dimensions: 256 })).toMatchObject({ dimensions: 256 });
  expect(await choose({ provider: 'openai', url: 'http://10.9.9.9:8080/v1', model: 'm', dimensions: 3 })).toMatchObject({ url: 'http://10.9.9.9:8080/v1' });
});

it.each<[string, string, WantedEmbedding]>([
  ['another model of the installation', 'embedding_model', { model: 'other' }],
  ['other dimensions of the installation', 'dimensions', { dimensions: 3 }],
  ['an endpoint without a provider', 'embedding_url', { url: PUBLIC }],
  ['another built-in model', 'embedding_model', { provider: 'hash', model: 'other' }],
  ['other built-in dimensions', 'dimensions', { provider: 'hash', dimensions: 512 }],
  ['an endpoint for the built-in model', 'embedding_url', { provider: 'hash', url: PUBLIC }],
  ['an endpoint without a model', 'embedding_model', { provider: 'openai', url: PUBLIC }],
  ['an unknown model without dimensions', 'dimensions', { provider: 'openai', url: PUBLIC, model: 'bge-m3' }],
  ['a model called as a property of every object', 'dimensions', { provider: 'openai', url: PUBLIC, model: 'constructor' }],
  ['more dimensions than the model has', 'dimensions', { provider: 'openai', url: PUBLIC, model: 'text-embedding-3-small', dimensions: 3072 }],
  ['fewer dimensions of a model that cannot be shortened', 'dimensions', { provider: 'openai', url: PUBLIC, model: 'text-embedding-ada-002', dimensions: 512 }],
  ['what is no address', 'embedding_url', { provider: 'openai', url: 'api.example', model: 'm', dimensions: 3 }],
  ['a key in the query', 'embedding_url', { provider: 'openai', url: `${PUBLIC}?key=k`, model: 'm', dimensions: 3 }],
  ['a fragment', 'embedding_url', { provider: 'openai', url: `${PUBLIC}#x`, model: 'm', dimensions: 3 }],
  ['local models where there are none', 'embedding_provider', { provider: 'onnx', model: 'm' }],
])('refuses %s and names %s', async (_what, field, wanted) => {
  const refusal = await choose(wanted).then(() => undefined, (error: unknown) => error as ValidationFailed);
  expect(refusal).toBeInstanceOf(ValidationFailed);
  expect(refusal?.members).toEqual({ errors: [{ field, message: expect.stringContaining(field) as string }] });
});

it.each([PRIVATE, 'http://169.254.169.254/v1', 'http://[::1]/v1', 'ftp://1.1.1.1/v1', 'https://user:word@1.1.1.1/v1'])('does not let a tenant name %s', async (url) => {
  await expect(choose({ provider: 'openai', url, model: 'm', dimensions: 3 })).rejects.toThrow(UrlNotAllowed);
});
