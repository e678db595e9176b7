import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { errorCode } from '../common/error-code.js';
import { EmbeddingFailed } from './embedder.js';
import { OnnxEmbedder, type Extractor, type OnnxModel } from './onnx.embedder.js';

/** Not a dependency, as it weighs more than everything else here together: an operator who wants local models installs it. */
const PACKAGE = '@huggingface/transformers';
const TESTED_VERSION = '4.3.1';

const FOLDER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const FILES = ['config.json', 'tokenizer.json', 'tokenizer_config.json', path.join('onnx', 'model.onnx')] as const;
/** Tokenizers that know no limit say 10^30. */
const MOST_TOKENS = 1_000_000;

/** What is used of the package. */
export interface Transformers {
  env: { allowRemoteModels: boolean; allowLocalModels: boolean; localModelPath: string };
  pipeline(task: 'feature-extraction', model: string, options: { dtype: 'fp32'; local_files_only: true }): Promise<Extractor>;
}

// A name in a variable, so that neither the compiler nor a bundler looks for what is mostly not there.
const importPackage = (name: string): Promise<Partial<Transformers>> => import(name) as Promise<Partial<Transformers>>;

/** Models in files of the operator's: each sub-folder of `directory` is one, as Hugging Face lays them out, and its name is the model's. Each is loaded once, at its first use. */
export class OnnxModels {
  private readonly opened = new Map<string, Promise<OnnxEmbedder>>();
  private transformers: Promise<Transformers> | undefined;

  constructor(
    private readonly directory: string,
    private readonly load: (name: string) => Promise<Partial<Transformers>> = importPackage,
  ) {}

  /** The names of those that are whole, in order. */
  async list(): Promise<string[]> {
    const entries = await readdir(this.directory).catch(() => []);
    const whole = await Promise.all(entries.map(async (name) => FOLDER.test(name) && (await this.isWhole(name))));
    return entries.filter((_, at) => whole[at]).toSorted();
  }

  /** @throws EmbeddingFailed when there is no such model, or its files do not say what has to be known */
  async describe(model: string): Promise<OnnxModel> {
    if (!FOLDER.test(model) || !(await this.isWhole(model))) throw new EmbeddingFailed('not_allowed', true, await this.unknown(model));
    const config = await this.read(model, 'config.json');
    // BERT and its kin say the first, DistilBERT the second, T5 the third.
    const dimensions = config['hidden_size'] ?? config['dim'] ?? config['d_model'];
    const maxInputTokens = (await this.read(model, 'tokenizer_config.json'))['model_max_length'];
    if (!isCount(dimensions)) throw unreadable(model, 'config.json has no hidden_size');
    if (!isCount(maxInputTokens)) throw unreadable(model, 'tokenizer_config.json has no usable model_max_length: write there how many tokens the model takes, such as 512');
    return { model, dimensions, maxInputTokens };
  }

  /** @throws EmbeddingFailed when the package is not installed */
  async requirePackage(): Promise<Transformers> {
    this.transformers ??= this.importTransformers();
    try {
      return await this.transformers;
    } catch (error) {
      this.transformers = undefined;
      throw error;
    }
  }

  private async importTransformers(): Promise<Transformers> {
    const refuse = (what: string, cause?: unknown): never => {
      throw new EmbeddingFailed('not_allowed', true, `Local ONNX models need a package that ${what} on this server: npm install ${PACKAGE}@${TESTED_VERSION}`, cause);
    };
    const loaded = await this.load(PACKAGE).catch((error: unknown) => refuse(errorCode(error).endsWith('MODULE_NOT_FOUND') ? 'is not installed' : 'cannot be loaded', error));
    // Where LanceDB wants it, there is an empty package of that name instead (see `overrides` in package.json).
    return loaded.env && loaded.pipeline ? (loaded as Transformers) : refuse('is not installed');
  }

  /** The embedder of a model, which loads its files when it is first used. @throws EmbeddingFailed */
  open(model: string): Promise<OnnxEmbedder> {
    const known = this.opened.get(model);
    if (known) return known;
    const opening = this.make(model);
    this.opened.set(model, opening);
    opening.catch(() => this.opened.delete(model));
    return opening;
  }

  private async make(model: string): Promise<OnnxEmbedder> {
    const description = await this.describe(model);
    const transformers = await this.requirePackage();
    return new OnnxEmbedder(description, async () => {
      Object.assign(transformers.env, { allowRemoteModels: false, allowLocalModels: true, localModelPath: this.directory });
      return transformers.pipeline('feature-extraction', model, { dtype: 'fp32', local_files_only: true });
    });
  }

  private async isWhole(model: string): Promise<boolean> {
    const files = await Promise.all(FILES.map((file) => stat(path.join(this.directory, model, file)).catch(() => null)));
    return files.every((file) => file?.isFile());
  }

  private async unknown(model: string): Promise<string> {
    const names = await this.list();
    return names.length === 0
      ? `There is no local model "${model}": EMBEDDING_MODEL_DIR has none. A model is a folder with ${FILES.join(', ')}.`
      : `There is no local model "${model}", only ${names.map((name) => `"${name}"`).join(', ')}.`;
  }

  private async read(model: string, file: string): Promise<Record<string, unknown>> {
    try {
      return JSON.parse(await readFile(path.join(this.directory, model, file), 'utf8')) as Record<string, unknown>;
    } catch (error) {
      throw unreadable(model, `${file} is no readable JSON`, error);
    }
  }
}

const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) > 0 && (value as number) <= MOST_TOKENS;

function unreadable(model: string, what: string, cause?: unknown): EmbeddingFailed {
  return new EmbeddingFailed('not_allowed', true, `The local model "${model}" cannot be used: its ${what}.`, cause);
}
