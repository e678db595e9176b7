import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Sealer } from '../common/sealer.js';
import { Outbound } from '../outbound/outbound.js';
import { openEmbedder } from './embedder.factory.js';
import { Embedder, EmbeddingFailed, type EmbeddingProvider } from './embedder.js';
import { EmbeddingMetrics } from './embedding-metrics.js';
import { EmbeddingUsage } from './embedding-usage.js';
import { EndpointTurns } from './endpoint-turns.js';
import { MeteredEmbedder } from './metered.embedder.js';
import { OnnxModels } from './onnx-models.js';
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
  /** Who is told to have used it. */
  tenantId: string;
}

/** Clients of endpoints that tenants named, kept for their connections' sake. */
const MOST_KEPT = 200;
/** Small objects that count for a tenant what the installation's model does for it. */
const MOST_TENANTS = 10_000;

/** The embedding models of the databases. */
@Injectable()
export class Embedders {
  private readonly opened = new LRUCache<string, Promise<Embedder>>({ max: MOST_KEPT });
  private readonly ofTenants = new LRUCache<string, Embedder>({ max: MOST_TENANTS });
  private readonly turns = new LRUCache<string, EndpointTurns>({ max: MOST_KEPT });

  constructor(
    /** The installation's own, not counted for anybody. */
    readonly standard: Embedder,
    private readonly sealer: Sealer,
    private readonly outbound: Outbound,
    private readonly models: OnnxModels,
    private readonly usage: EmbeddingUsage,
    private readonly metrics: EmbeddingMetrics,
  ) {}

  /** @throws ValidationFailed for what does not fit together; UrlNotAllowed */
  choose(wanted: WantedEmbedding): Promise<ChosenEmbedding> {
    return chooseEmbedding(wanted, { standard: this.standard, outbound: this.outbound, models: this.models });
  }

  /**
   * The same one each time for a tenant's databases with the same model, endpoint and key; its use is counted for the tenant.
   * @throws SealBroken; EmbeddingFailed when the model cannot be used here, or is not what the installation runs any more
   */
  async of(choice: EmbeddingChoice): Promise<Embedder> {
    const { provider, model, dimensions, url, apiKey, place, tenantId } = choice;
    if (provider === null) return this.standardOf(choice);
    // Sealed where it is, the same key looks different for each database.
    const key = JSON.stringify([tenantId, provider, model, dimensions, url, apiKey && [place, apiKey.toString('base64')]]);
    const known = this.opened.get(key);
    if (known) return known;
    const tools = { outbound: this.outbound, models: this.models, turns: this.turnsOf(tenantId, url) };
    const opening = openEmbedder({ provider, model, dimensions, url, apiKey: apiKey && this.sealer.open(apiKey, place) }, tools).then((embedder) => this.metered(embedder, tenantId));
    this.opened.set(key, opening);
    opening.catch(() => this.opened.delete(key));
    return opening;
  }

  /** One for all databases of a tenant at an endpoint: no tenant waits for another's jobs. */
  private turnsOf(tenantId: string, url: string | null): EndpointTurns {
    const key = `${tenantId} ${url}`;
    const known = this.turns.get(key);
    if (known) return known;
    const turns = new EndpointTurns();
    this.turns.set(key, turns);
    return turns;
  }

  private metered(embedder: Embedder, tenantId: string): Embedder {
    return new MeteredEmbedder(embedder, this.metrics, (amount) => this.usage.note(tenantId, amount));
  }

  private standardOf({ model, dimensions, tenantId }: EmbeddingChoice): Embedder {
    this.requireStandard(model, dimensions);
    const known = this.ofTenants.get(tenantId) ?? this.metered(this.standard, tenantId);
    this.ofTenants.set(tenantId, known);
    return known;
  }

  private requireStandard(model: string, dimensions: number): void {
    if (model === this.standard.model && dimensions === this.standard.dimensions) return;
    throw new EmbeddingFailed('model_changed', true, `The server runs the embedding model "${this.standard.model}", and "${model}" no longer.`);
  }
}
