import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Sealer } from '../common/sealer.js';
import { Outbound } from '../outbound/outbound.js';
import { openEmbedder } from './embedder.factory.js';
import { Embedder, EmbeddingFailed, type EmbeddingProvider } from './embedder.js';
import { chooseEmbedding, type ChosenEmbedding, type WantedEmbedding } from './embedding-choices.js';

/** Which model a database's vectors come from. */
export interface EmbeddingChoice {
  /** null is the model of the installation, whatever it is called. */
  provider: EmbeddingProvider | null;
  model: string;
  dimensions: number;
  /** Of `openai`. */
  url: string | null;
  /** Sealed at `place`. */
  apiKey: Buffer | null;
  place: string;
}

/** Clients of endpoints that tenants named, kept for their connections' sake. */
const MOST_KEPT = 200;

/** The embedding models of the databases. */
@Injectable()
export class Embedders {
  private readonly opened = new LRUCache<string, Promise<Embedder>>({ max: MOST_KEPT });

  constructor(
    /** The installation's own. */
    readonly standard: Embedder,
    private readonly sealer: Sealer,
    private readonly outbound: Outbound,
  ) {}

  /** @throws ValidationFailed for what does not fit together; UrlNotAllowed */
  choose(wanted: WantedEmbedding): Promise<ChosenEmbedding> {
    return chooseEmbedding(wanted, this.standard, this.outbound);
  }

  /** @throws SealBroken; EmbeddingFailed when the model cannot be used here, or is not what the installation runs any more */
  async of(choice: EmbeddingChoice): Promise<Embedder> {
    const { provider, model, dimensions, url, apiKey, place } = choice;
    if (provider === null) return this.requireStandard(model, dimensions);
    const key = JSON.stringify([provider, model, dimensions, url, place, apiKey?.toString('base64')]);
    const known = this.opened.get(key);
    if (known) return known;
    const opening = openEmbedder({ provider, model, dimensions, url, apiKey: apiKey && this.sealer.open(apiKey, place) }, this.outbound);
    this.opened.set(key, opening);
    opening.catch(() => this.opened.delete(key));
    return opening;
  }

  private requireStandard(model: string, dimensions: number): Embedder {
    if (model === this.standard.model && dimensions === this.standard.dimensions) return this.standard;
    throw new EmbeddingFailed('model_changed', true, `The server runs the embedding model "${this.standard.model}", and "${model}" no longer.`);
  }
}
