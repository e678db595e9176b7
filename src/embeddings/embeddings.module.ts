import { Global, Module } from '@nestjs/common';
import { errorMessage } from '../common/error-code.js';
import { Config } from '../config/config.js';
import { StartupError } from '../config/env.js';
import { HealthChecks } from '../metrics/health-checks.js';
import { createEmbedder } from './embedder.factory.js';
import { Embedder } from './embedder.js';
import { EmbeddingMetrics } from './embedding-metrics.js';
import { EmbeddingUsage } from './embedding-usage.js';
import { Embedders } from './embedders.js';
import { OnnxModels } from './onnx-models.js';

async function fromEnvironment({ env }: Config, models: OnnxModels): Promise<Embedder> {
  try {
    return await createEmbedder({
      provider: env.EMBEDDING_PROVIDER,
      url: env.EMBEDDING_URL,
      model: env.EMBEDDING_MODEL,
      apiKey: env.EMBEDDING_API_KEY,
      dimensions: env.EMBEDDING_DIMENSIONS,
      outboundAllow: env.OUTBOUND_ALLOW,
      models,
    });
  } catch (error) {
    throw new StartupError(errorMessage(error), { cause: error });
  }
}

/** The embedding model of this installation, and those that databases choose instead. */
@Global()
@Module({
  providers: [
    { provide: OnnxModels, inject: [Config], useFactory: ({ modelDir }: Config) => new OnnxModels(modelDir) },
    { provide: Embedder, inject: [Config, OnnxModels], useFactory: fromEnvironment },
    EmbeddingUsage, EmbeddingMetrics, Embedders,
  ],
  exports: [Embedders, EmbeddingUsage],
})
export class EmbeddingsModule {
  constructor({ env }: Config, { model, dimensions }: Embedder, health: HealthChecks) {
    // Not asked: of most providers every question costs money.
    health.register({ name: 'embeddings', isEssential: false, ask: null, details: { provider: env.EMBEDDING_PROVIDER, model, dimensions } });
  }
}
