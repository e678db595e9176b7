import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ValidationFailed } from '../common/request-errors.js';
import { Outbound } from '../outbound/outbound.js';
import type { EmbeddedAmount } from './embedder.js';
import { createEmbedder } from './embedder.factory.js';
import { chooseEmbedding, type WantedEmbedding } from './embedding-choices.js';
import { HashEmbedder } from './hash.embedder.js';
import { OnnxModels, type Transformers } from './onnx-models.js';

const FILES = { 'config.json': { hidden_size: 3 }, 'tokenizer.json': {}, 'tokenizer_config.json': { model_max_length: 256 }, 'onnx/model.onnx': {} };

let directory: string;
let models: OnnxModels;
let packageError: Error | undefined;
let isEmpty = false;
/** What the runtime answers to texts; by default unit vectors. */
let answer: (texts: string[]) => { dims: number[]; data: ArrayLike<number> };
let asked: { texts: string[]; options: object }[];
let loads: { model: string; options: object; env: object }[];

const transformers: Transformers = {
  env: { allowRemoteModels: true, allowLocalModels: true, localModelPath: '/elsewhere' },
  pipeline: async (_task, model, options) => {
    loads.push({ model, options, env: { ...transformers.env } });
    return async (texts, how) => {
      asked.push({ texts, options: how });
      return answer(texts);
    };
  },
};

async function writeModel(name: string, files: Record<string, unknown> = FILES): Promise<void> {
  for (const [file, content] of Object.entries(files)) {
    const target = path.join(directory, name, file);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, typeof content === 'string' ? content : JSON.stringify(content));
  }
}

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'morag-models-'));
  [packageError, asked, loads] = [undefined, [], []];
  answer = (texts) => ({ dims: [texts.length, 3], data: Float32Array.from(texts.flatMap((text) => [text.length, 0, 1])) });
  models = new OnnxModels(directory, async () => {
    if (packageError) throw packageError;
    return isEmpty ? {} : transformers;
  });
});
afterEach(() => rm(directory, { recursive: true }));

const code = (call: Promise<unknown>): Promise<unknown> => call.then(() => 'none', ({ code, permanent }: { code: string; permanent: boolean }) => ({ code, permanent }));

describe('a local model', () => {
  it('is read from the folder alone, once, and its vectors are means that are normalised', async () => {
    await writeModel('mini');
    const [first, second] = await Promise.all([models.open('mini'), models.open('mini')]);
    expect(second).toBe(first);
    expect(first).toMatchObject({ provider: 'onnx', model: 'mini', dimensions: 3, maxInputTokens: 256, isLocal: true });
    expect(loads).toEqual([]);
    expect(await Promise.all([first.embedQuery('four'), first.embedQuery('seven')])).toEqual([Float32Array.of(4, 0, 1), Float32Array.of(5, 0, 1)]);
    expect(loads).toEqual([{ model: 'mini', options: { dtype: 'fp32', local_files_only: true }, env: { allowRemoteModels: false, allowLocalModels: true, localModelPath: directory } }]);
    expect(asked[0]!.options).toEqual({ pooling: 'mean', normalize: true });
  });

  it('takes a few texts at once, in order, lets others in between, and stops when it is told to', async () => {
    await writeModel('mini');
    const embedder = await models.open('mini');
    const noted: EmbeddedAmount[] = [];
    const texts = Array.from({ length: 10 }, (_, at) => 'x'.repeat(at + 1));
    const others: number[] = [];
    let done = 0;
    const usual = answer;
    answer = (part) => {
      others.push(done);
      setImmediate(() => (done += 1));
      return usual(part);
    };
    const vectors = await embedder.embedDocuments(texts, undefined, (amount) => noted.push(amount));
    expect(vectors.map(([length]) => length)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(asked.map((call) => call.texts.length)).toEqual([4, 4, 2]);
    expect(noted.map((amount) => amount.texts)).toEqual([4, 4, 2]);
    expect(others).toEqual([0, 1, 2]);

    const stopping = new AbortController();
    answer = (part) => (stopping.abort(new Error('enough')), { dims: [part.length, 3], data: new Float32Array(part.length * 3) });
    await expect(embedder.embedDocuments(texts, stopping.signal)).rejects.toThrow('enough');
    expect(asked).toHaveLength(4);
  });

  it('says what is wrong with an answer', async () => {
    await writeModel('mini');
    const embedder = await models.open('mini');
    answer = () => ({ dims: [1, 2], data: [1, 2] });
    expect(await code(embedder.embedQuery('a'))).toEqual({ code: 'dimension_mismatch', permanent: true });
    answer = () => ({ dims: [1, 5, 3], data: new Float32Array(15) });
    expect(await code(embedder.embedQuery('a'))).toEqual({ code: 'invalid_response', permanent: true });
    answer = () => ({ dims: [1, 3], data: [NaN, 0, 0] });
    expect(await code(embedder.embedQuery('a'))).toEqual({ code: 'invalid_response', permanent: true });
    answer = () => {
      throw new Error('/secret/path of the runtime');
    };
    const error = await embedder.embedQuery('a').catch((caught: Error) => caught);
    expect(error).toMatchObject({ code: 'rejected', permanent: true, message: expect.not.stringContaining('secret') as string });
  });

  it.each([
    ['has no config that can be read', { ...FILES, 'config.json': '{' }, 'config.json'],
    ['does not say its dimensions', { ...FILES, 'config.json': {} }, 'hidden_size'],
    ['does not say its limit', { ...FILES, 'tokenizer_config.json': { model_max_length: 1e30 } }, 'model_max_length'],
  ])('that %s is refused with a word on what to do', async (_what, files, named) => {
    await writeModel('odd', files);
    await expect(models.open('odd')).rejects.toMatchObject({ code: 'not_allowed', permanent: true, message: expect.stringContaining(named) as string });
    await writeModel('odd');
    expect((await models.open('odd')).dimensions).toBe(3);
  });

  it('knows what DistilBERT calls its dimensions', async () => {
    await writeModel('distil', { ...FILES, 'config.json': { dim: 3 } });
    expect((await models.open('distil')).dimensions).toBe(3);
  });
});

describe('a choice of a local model', () => {
  const outbound = new Outbound();
  const choose = (wanted: WantedEmbedding) => chooseEmbedding({ provider: 'onnx', ...wanted }, { standard: new HashEmbedder(), outbound, models });
  const refusal = (wanted: WantedEmbedding) =>
    choose(wanted).then(
      (chosen) => chosen,
      (error: ValidationFailed) => error.members,
    );
  afterAll(() => outbound.close());

  it('takes its dimensions from the files', async () => {
    await writeModel('mini');
    expect(await choose({ model: 'mini' })).toEqual({ provider: 'onnx', model: 'mini', dimensions: 3, url: null });
    expect(await refusal({ model: 'mini', dimensions: 4 })).toMatchObject({ errors: [{ field: 'dimensions' }] });
    expect(await refusal({ model: 'mini', url: 'https://example.com' })).toMatchObject({ errors: [{ field: 'embedding_url' }] });
  });

  it.each(['other', '', '..', '../mini', '.hidden', 'mini/', '/etc', 'mini\0', 'x'.repeat(101)])('refuses %j and names those that are there', async (model) => {
    for (const name of ['mini', 'large', '.hidden']) await writeModel(name);
    await mkdir(path.join(directory, 'half', 'onnx'), { recursive: true });
    const message = expect.stringMatching(/only "large", "mini"/) as string;
    expect(await refusal({ model })).toMatchObject({ errors: [{ field: 'embedding_model', message }] });
  });

  it('names them also when none was named, and says when there are none', async () => {
    await rm(directory, { recursive: true });
    expect(await refusal({ model: 'mini' })).toMatchObject({ errors: [{ field: 'embedding_model', message: expect.stringContaining('EMBEDDING_MODEL_DIR has none') as string }] });
    await writeModel('mini');
    expect(await refusal({})).toMatchObject({ errors: [{ field: 'embedding_model', message: expect.stringContaining('mini') as string }] });
  });

  it('says which package is missing, until it is there', async () => {
    await writeModel('mini');
    packageError = Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
    const message = expect.stringContaining('is not installed on this server: npm install @huggingface/transformers@4.3.1') as string;
    expect(await refusal({ model: 'mini' })).toMatchObject({ errors: [{ field: 'embedding_provider', message }] });
    await expect(createEmbedder({ provider: 'onnx', model: 'mini', outboundAllow: [], models })).rejects.toThrow('npm install');
    packageError = Object.assign(new Error('cannot open shared object'), { code: 'ERR_DLOPEN_FAILED' });
    expect(await refusal({ model: 'mini' })).toMatchObject({ errors: [{ field: 'embedding_provider', message: expect.stringContaining('cannot be loaded') as string }] });
    packageError = undefined;
    isEmpty = true;
    expect(await refusal({ model: 'mini' })).toMatchObject({ errors: [{ field: 'embedding_provider', message }] });
    isEmpty = false;
    expect(await createEmbedder({ provider: 'onnx', model: 'mini', outboundAllow: [], models })).toMatchObject({ model: 'mini' });
    await expect(createEmbedder({ provider: 'onnx', outboundAllow: [], models })).rejects.toThrow('EMBEDDING_MODEL');
  });
});
