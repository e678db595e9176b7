import { parseTarget } from '../outbound/address-policy.js';
import type { Outbound } from '../outbound/outbound.js';
import { EmbeddingFailed, type Embedder, type EmbeddingProvider } from './embedder.js';
import type { EndpointTurns } from './endpoint-turns.js';
import { HashEmbedder } from './hash.embedder.js';
import type { OnnxModels } from './onnx-models.js';

export interface EmbedderOptions {
  /** `EMBEDDING_PROVIDER` */
  provider: EmbeddingProvider;
  /** `EMBEDDING_URL`; OpenAI's own when absent. */
  url?: string;
  /** `EMBEDDING_MODEL`; text-embedding-3-small when absent at OpenAI's own address. Of `onnx` the folder. */
  model?: string;
  /** `EMBEDDING_API_KEY` */
  apiKey?: string;
  /** `EMBEDDING_DIMENSIONS`; may be absent for OpenAI's models. */
  dimensions?: number;
  /** `OUTBOUND_ALLOW`; the host of `url` is added, since the operator has named it. */
  outboundAllow: readonly string[];
  /** Those in `EMBEDDING_MODEL_DIR`. */
  models: OnnxModels;
}

export const OPENAI_URL = 'https://api.openai.com/v1';
/** A map, since models have any name: of an object, `constructor` would be known. */
export const DIMENSIONS_OF: ReadonlyMap<string, number> = new Map([
  ['text-embedding-3-small', 1536],
  ['text-embedding-3-large', 3072],
  ['text-embedding-ada-002', 1536],
]);

/**
 * Chooses the embedder the operator has configured.
 * @throws Error naming the environment variable that is missing or wrong
 */
export async function createEmbedder(options: EmbedderOptions): Promise<Embedder> {
  if (options.provider === 'hash') return new HashEmbedder();
  if (options.provider === 'onnx') {
    if (!options.model) throw new Error('EMBEDDING_MODEL is needed for EMBEDDING_PROVIDER=onnx: the name of a folder in EMBEDDING_MODEL_DIR.');
    return options.models.open(options.model);
  }

  const url = options.url ?? OPENAI_URL;
  const target = parseTarget(url);
  if (!target) throw new Error(`EMBEDDING_URL must be an http or https address without user name, not "${options.url}".`);
  if (url === OPENAI_URL && !options.apiKey) throw new Error('EMBEDDING_API_KEY is needed for OpenAI; or set EMBEDDING_URL.');
  const model = options.model ?? (url === OPENAI_URL ? 'text-embedding-3-small' : undefined);
  if (!model) throw new Error('EMBEDDING_MODEL is needed when EMBEDDING_URL is set.');
  const dimensions = options.dimensions ?? DIMENSIONS_OF.get(model);
  if (!dimensions) throw new Error(`EMBEDDING_DIMENSIONS is needed for the model "${model}".`);

  const own = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
  // Loaded only where they are used: together they take a third of a second.
  const [{ Outbound }, { OpenAiEmbedder }] = await Promise.all([import('../outbound/outbound.js'), import('./openai.embedder.js')]);
  const outbound = new Outbound({ allow: [...options.outboundAllow, own] });
  return new OpenAiEmbedder({ url, model, dimensions, apiKey: options.apiKey, outbound });
}

/** What a tenant has chosen for a database. */
export interface ChosenEmbedder {
  provider: EmbeddingProvider;
  model: string;
  dimensions: number;
  url: string | null;
  apiKey: string | null;
}

export interface EmbedderTools {
  outbound: Outbound;
  models: OnnxModels;
  /** Of whoever chose it, at its endpoint. */
  turns: EndpointTurns;
}

/** @throws EmbeddingFailed when the model cannot be used on this server */
export async function openEmbedder({ provider, model, dimensions, url, apiKey }: ChosenEmbedder, { outbound, models, turns }: EmbedderTools): Promise<Embedder> {
  switch (provider) {
    case 'hash':
      return new HashEmbedder();
    case 'openai': {
      const { OpenAiEmbedder } = await import('./openai.embedder.js');
      return new OpenAiEmbedder({ url: url ?? OPENAI_URL, model, dimensions, ...(apiKey === null ? {} : { apiKey }), outbound, turns });
    }
    case 'onnx': {
      const embedder = await models.open(model);
      if (embedder.dimensions === dimensions) return embedder;
      throw new EmbeddingFailed('model_changed', true, `The files of the local model "${model}" were replaced: it has ${embedder.dimensions} dimensions now, and no longer ${dimensions}.`);
    }
  }
}
