import { Metrics } from '../metrics/metrics.js';
import { EmbeddingFailed, type EmbeddedAmount } from './embedder.js';
import { EmbeddingMetrics } from './embedding-metrics.js';
import { HashEmbedder } from './hash.embedder.js';
import { MeteredEmbedder } from './metered.embedder.js';

class FailingEmbedder extends HashEmbedder {
  constructor(private readonly failure: Error) {
    super();
  }
  override embedDocuments(): Promise<Float32Array[]> {
    return Promise.reject(this.failure);
  }
}

it('measures by provider and kind, counts failures by code, and leaves out what was called off', async () => {
  const metrics = new Metrics();
  const meter = new EmbeddingMetrics(metrics);
  const counted: EmbeddedAmount[] = [];
  const metered = (inner: HashEmbedder) => new MeteredEmbedder(inner, meter, (amount) => counted.push(amount));
  const embedder = metered(new HashEmbedder());
  expect(embedder).toMatchObject({ provider: 'hash', model: 'local-lexical-1024', dimensions: 1024, isLocal: true });

  expect(await embedder.embedQuery('a question')).toEqual(await new HashEmbedder().embedQuery('a question'));
  await embedder.embedDocuments(['one', 'two', 'three']);
  await embedder.embedDocuments([]);
  expect(counted).toEqual([{ texts: 1, tokens: 4 }, { texts: 3, tokens: 4 }]);

  await expect(metered(new FailingEmbedder(new EmbeddingFailed('rate_limited', false, 'later'))).embedDocuments(['x'])).rejects.toThrow('later');
  await expect(metered(new FailingEmbedder(new Error('cancelled'))).embedDocuments(['x'])).rejects.toThrow('cancelled');
  const text = await metrics.registry.metrics();
  expect(text).toContain('morag_embedding_duration_seconds_count{provider="hash",kind="query"} 1');
  expect(text).toContain('morag_embedding_duration_seconds_count{provider="hash",kind="documents"} 2');
  expect(text.match(/^morag_embedding_failures_total.*$/gm)).toEqual(['morag_embedding_failures_total{provider="hash",code="rate_limited"} 1']);
});
