import { parseTarget } from '../outbound/address-policy.js';
import type { Embedder } from './embedder.js';
import { HashEmbedder } from './hash.embedder.js';

export interface EmbedderOptions {
  /** `EMBEDDING_PROVIDER` */
  provider: 'hash' | 'openai';
  /** `EMBEDDING_URL`; OpenAI's own when absent. */
  url?: string;
  /** `EMBEDDING_MODEL`; text-embedding-3-small when absent at OpenAI's own address. */
  model?: string;
  /** `EMBEDDING_API_KEY` */
  apiKey?: string;
  /** `EMBEDDING_DIMENSIONS`; may be absent for OpenAI's models. */
  dimensions?: number;
  /** `OUTBOUND_ALLOW`; the host of `url` is added, since the operator has named it. */
  outboundAllow: readonly string[];
}

const OPENAI_URL = 'https://api.openai.com/v1';
const DIMENSIONS_OF: Record<string, number> = {
  'text-embedding-3-small': 1536,
  'text-embedding-3-large': 3072,
  'text-embedding-ada-002': 1536,
};

/**
 * Chooses the embedder the operator has configured.
 * @throws Error naming the environment variable that is missing or wrong
 */
export async function createEmbedder(options: EmbedderOptions): Promise<Embedder> {
  if (options.provider === 'hash') return new HashEmbedder();

  const url = options.url ?? OPENAI_URL;
  const target = parseTarget(url);
  if (!target) throw new Error(`EMBEDDING_URL must be an http or https address without user name, not "${options.url}".`);
  if (url === OPENAI_URL && !options.apiKey) throw new Error('EMBEDDING_API_KEY is needed for OpenAI; or set EMBEDDING_URL.');
  const model = options.model ?? (url === OPENAI_URL ? 'text-embedding-3-small' : undefined);
  if (!model) throw new Error('EMBEDDING_MODEL is needed when EMBEDDING_URL is set.');
  const dimensions = options.dimensions ?? DIMENSIONS_OF[model];
  if (!dimensions) throw new Error(`EMBEDDING_DIMENSIONS is needed for the model "${model}".`);

  const own = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
  // Loaded only where they are used: together they take a third of a second.
  const [{ Outbound }, { OpenAiEmbedder }] = await Promise.all([import('../outbound/outbound.js'), import('./openai.embedder.js')]);
  const outbound = new Outbound({ allow: [...options.outboundAllow, own] });
  return new OpenAiEmbedder({ url, model, dimensions, apiKey: options.apiKey, outbound });
}
