import { ValidationFailed } from '../common/request-errors.js';
import type { Outbound } from '../outbound/outbound.js';
import { DIMENSIONS_OF, OPENAI_URL } from './embedder.factory.js';
import { EmbeddingFailed, type Embedder, type EmbeddingProvider } from './embedder.js';
import { HashEmbedder } from './hash.embedder.js';
import type { OnnxModels } from './onnx-models.js';

/** What a tenant asks for; what is not named follows from the rest. */
export interface WantedEmbedding {
  /** Left out, it is the model of the installation. */
  provider?: EmbeddingProvider;
  model?: string;
  dimensions?: number;
  url?: string;
}

export interface ChosenEmbedding {
  provider: EmbeddingProvider | null;
  model: string;
  dimensions: number;
  url: string | null;
}

function refuse(field: 'embedding_provider' | 'embedding_model' | 'dimensions' | 'embedding_url', message: string): never {
  throw new ValidationFailed([{ field, message: `${field} ${message}` }]);
}

/** A model that is what it is: naming it is fine, naming another is not. */
function fixed(provider: EmbeddingProvider | null, { model, dimensions }: Pick<Embedder, 'model' | 'dimensions'>, wanted: WantedEmbedding): ChosenEmbedding {
  const what = provider === null ? 'the model of this installation; name an embedding_provider for another' : `the model of "${provider}"`;
  if (wanted.url !== undefined) refuse('embedding_url', 'belongs to embedding_provider "openai" only');
  if (wanted.model !== undefined && wanted.model !== model) refuse('embedding_model', `must be "${model}", ${what}`);
  if (wanted.dimensions !== undefined && wanted.dimensions !== dimensions) refuse('dimensions', `must be ${dimensions}, those of "${model}"`);
  return { provider, model, dimensions, url: null };
}

/** @throws ValidationFailed; UrlNotAllowed */
async function ofEndpoint(wanted: WantedEmbedding, outbound: Outbound): Promise<ChosenEmbedding> {
  const url = wanted.url ?? OPENAI_URL;
  const model = wanted.model ?? (url === OPENAI_URL ? 'text-embedding-3-small' : refuse('embedding_model', 'is needed for an endpoint of your own'));
  const known = DIMENSIONS_OF.get(model);
  const dimensions = wanted.dimensions ?? known ?? refuse('dimensions', `is needed for the model "${model}"`);
  // Only this family can shorten its vectors.
  if (known !== undefined && (model.startsWith('text-embedding-3') ? dimensions > known : dimensions !== known)) refuse('dimensions', `must be ${known} for the model "${model}"`);
  if (!URL.canParse(url)) refuse('embedding_url', 'must be an http or https address, such as https://api.openai.com/v1');
  // The path of the call is put behind it, and a key in it would be stored and shown in the clear.
  if (/[?#]/.test(url)) refuse('embedding_url', 'must have no query and no fragment; a key belongs into embedding_api_key');
  await outbound.assertAllowed(url);
  return { provider: 'openai', model, dimensions, url };
}

/** @throws ValidationFailed naming the models that are there */
async function ofFiles(wanted: WantedEmbedding, models: OnnxModels): Promise<ChosenEmbedding> {
  const refusing = (field: 'embedding_provider' | 'embedding_model') => (error: unknown): never => {
    if (error instanceof EmbeddingFailed) refuse(field, `cannot be used: ${error.message}`);
    throw error;
  };
  await models.requirePackage().catch(refusing('embedding_provider'));
  const name = wanted.model ?? refuse('embedding_model', `is needed for a local model: ${(await models.list()).join(', ') || 'this server has none'}`);
  return fixed('onnx', await models.describe(name).catch(refusing('embedding_model')), wanted);
}

/** What a choice is checked against. */
export interface ChoiceSurroundings {
  standard: Embedder;
  outbound: Outbound;
  models: OnnxModels;
}

/** @throws ValidationFailed for what does not fit together; UrlNotAllowed */
export async function chooseEmbedding(wanted: WantedEmbedding, { standard, outbound, models }: ChoiceSurroundings): Promise<ChosenEmbedding> {
  switch (wanted.provider) {
    case undefined:
      return fixed(null, standard, wanted);
    case 'hash':
      return fixed('hash', new HashEmbedder(), wanted);
    case 'openai':
      return ofEndpoint(wanted, outbound);
    case 'onnx':
      return ofFiles(wanted, models);
  }
}
