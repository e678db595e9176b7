import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SealBroken, Sealer } from '../common/sealer.js';
import { Outbound } from '../outbound/outbound.js';
import { Metrics } from '../metrics/metrics.js';
import { EmbeddingDimensionMismatch, type EmbeddedAmount } from './embedder.js';
import { Embedders, type EmbeddingChoice } from './embedders.js';
import { EmbeddingMetrics } from './embedding-metrics.js';
import { EmbeddingUsage } from './embedding-usage.js';
import { HashEmbedder } from './hash.embedder.js';
import { OnnxModels } from './onnx-models.js';

const KEY = 'sk-of-the-tenant';
const PLACE = 'databases/1/embedding_api_key';
const sealer = new Sealer(['a secret of at least thirty-two characters']);

let server: Server;
let url: string;
let outbound: Outbound;
let asked: { model: string; authorization: string | undefined }[] = [];
/** The headers of each request. */
let sent: string[] = [];
let status = 200;

/** A model named `of-4` answers with four dimensions. */
beforeAll(async () => {
  server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.once('end', () => {
      const { model, input } = JSON.parse(text) as { model: string; input: string[] };
      sent.push(request.rawHeaders.join(' '));
      asked.push({ model, authorization: request.headers.authorization });
      const dimensions = Number(model.slice('of-'.length));
      const data = input.map((_, index) => ({ index, embedding: Array.from({ length: dimensions }, () => 0.5) }));
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(status === 200 ? { data } : { error: { message: `${KEY} is wrong` } }));
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
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
  sent = [];
  status = 200;
});

const embedders = (through = outbound, usage = new EmbeddingUsage()) => new Embedders(new HashEmbedder(), sealer, through, new OnnxModels('/nowhere'), usage, new EmbeddingMetrics(new Metrics()));
const choice = (options: Partial<EmbeddingChoice> = {}): EmbeddingChoice => ({ provider: 'openai', model: 'of-3', dimensions: 3, url, apiKey: sealer.seal(KEY, PLACE), place: PLACE, tenantId: 'one', ...options });

it('asks each database\'s own model, with its own key', async () => {
  const all = embedders();
  const [small, large] = [await all.of(choice()), await all.of(choice({ model: 'of-5', dimensions: 5, apiKey: null, place: 'databases/2/embedding_api_key' }))];
  expect(await small.embedQuery('a')).toHaveLength(3);
  expect(await large.embedQuery('a')).toHaveLength(5);
  expect(asked).toEqual([{ model: 'of-3', authorization: `Bearer ${KEY}` }, { model: 'of-5', authorization: 'Bearer none' }]);
});

it('sends nothing of the operator\'s, whatever the environment says of OpenAI', async () => {
  const operators = { OPENAI_API_KEY: 'sk-operator', OPENAI_ADMIN_KEY: 'sk-operator', EMBEDDING_API_KEY: 'sk-operator', OPENAI_ORG_ID: 'operator', OPENAI_PROJECT_ID: 'operator' };
  const environment = { ...operators, OPENAI_CUSTOM_HEADERS: 'api-key: sk-operator\nauthorization: Bearer sk-operator' };
  const before = process.env;
  process.env = { ...before, ...environment };
  try {
    await (await embedders().of(choice({ apiKey: null }))).embedQuery('a');
    await (await embedders().of(choice())).embedQuery('a');
  } finally {
    process.env = before;
  }
  expect(asked.map(({ authorization }) => authorization)).toEqual(['Bearer none', `Bearer ${KEY}`]);
  expect(sent.join()).not.toContain('operator');
});

it('takes the new key from the moment it is stored', async () => {
  const all = embedders();
  await (await all.of(choice())).embedQuery('a');
  await (await all.of(choice({ apiKey: sealer.seal('sk-another', PLACE) }))).embedQuery('a');
  expect(asked.map(({ authorization }) => authorization)).toEqual([`Bearer ${KEY}`, 'Bearer sk-another']);
});

it('does not call an address inside the network, although the database says so', async () => {
  const closed = new Outbound({ allow: [] });
  try {
    const embedder = await embedders(closed).of(choice());
    await expect(embedder.embedQuery('a')).rejects.toMatchObject({ code: 'not_allowed', permanent: true });
  } finally {
    await closed.close();
  }
  expect(asked).toEqual([]);
});

it('says of a wrong key neither the key nor what the provider said', async () => {
  status = 401;
  const embedder = await embedders().of(choice());
  await expect(embedder.embedQuery('a')).rejects.toMatchObject({ code: 'unauthorized', permanent: true, message: 'The embedding server answered 401.' });
  expect(asked).toHaveLength(1);
});

it('refuses what a model answers in other dimensions than those of the database', async () => {
  const embedder = await embedders().of(choice({ dimensions: 4 }));
  await expect(embedder.embedDocuments(['a'])).rejects.toThrow(EmbeddingDimensionMismatch);
});

it('does not open a key that was moved from another database', async () => {
  await expect(embedders().of(choice({ place: 'databases/2/embedding_api_key' }))).rejects.toThrow(SealBroken);
});

it('gives the model of the installation to whoever was made with it, and to nobody else', async () => {
  const all = embedders();
  const standard = { provider: null, model: 'local-lexical-1024', dimensions: 1024, url: null, apiKey: null };
  expect(await (await all.of(choice(standard))).embedQuery('a')).toEqual(await all.standard.embedQuery('a'));
  await expect(all.of(choice({ ...standard, model: 'former' }))).rejects.toMatchObject({ code: 'model_changed', permanent: true });
});

it('counts for the tenant that asked, whatever the model', async () => {
  const usage = new EmbeddingUsage();
  const counted: [string, EmbeddedAmount][] = [];
  usage.onEmbedded((tenantId, amount) => counted.push([tenantId, amount]));
  const all = embedders(outbound, usage);
  const standard = { provider: null, model: 'local-lexical-1024', dimensions: 1024, url: null, apiKey: null };
  for (const tenantId of ['one', 'two']) {
    await (await all.of(choice({ ...standard, tenantId }))).embedQuery('abc');
    await (await all.of(choice({ tenantId }))).embedDocuments(['abc', 'def']);
  }
  expect(counted).toEqual(['one', 'two'].flatMap((tenantId) => [[tenantId, { texts: 1, tokens: 1 }], [tenantId, { texts: 2, tokens: 2 }]]));
});

it('is the same for databases of a tenant that can be asked together, and for no others', async () => {
  const all = embedders();
  const second = { place: 'databases/2/embedding_api_key' };
  const keyless = { apiKey: null };
  const standard = { provider: null, model: 'local-lexical-1024', dimensions: 1024, url: null, apiKey: null };
  for (const same of [keyless, standard]) expect(await all.of(choice({ ...same, ...second }))).toBe(await all.of(choice(same)));
  const others: Partial<EmbeddingChoice>[] = [{}, { ...second, apiKey: sealer.seal('sk-another', second.place) }, { url: `${url}/other` }, { model: 'of-5' }, { dimensions: 4 }, { ...keyless, tenantId: 'two' }, { ...standard, tenantId: 'two' }];
  const opened = await Promise.all([keyless, standard, ...others].map((one) => all.of(choice(one))));
  expect(new Set(opened).size).toBe(opened.length);
});
