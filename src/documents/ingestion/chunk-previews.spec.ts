import type { Principal } from '../../common/principal.js';
import type { Embedders } from '../../embeddings/embedders.js';
import type { TenantConfigurationService } from '../../tenancy/tenant-configuration.service.js';
import { ProcessingBusy } from '../documents.errors.js';
import { ChunkPreviews } from './chunk-previews.service.js';

it('a flood of previews is refused beyond those that may wait, and the next one is taken again', async () => {
  const settings = { chunkSize: 200, chunkOverlap: 20 };
  const previews = new ChunkPreviews({ forIngestion: () => Promise.resolve(settings) } as unknown as TenantConfigurationService, { standard: { maxInputTokens: 8191 } } as Embedders);
  const preview = () => previews.preview({} as Principal, { content: 'A text.', content_type: 'text/plain' });
  const answers = await Promise.allSettled(Array.from({ length: 80 }, preview));
  const refused = answers.filter((answer) => answer.status === 'rejected');
  expect(refused.every(({ reason }) => reason instanceof ProcessingBusy && reason.status === 503 && reason.retryable)).toBe(true);
  expect(80 - refused.length).toBeGreaterThanOrEqual(50);
  expect(80 - refused.length).toBeLessThanOrEqual(52);
  expect(await preview()).toMatchObject({ total_chunks: 1, chunks: [{ text: 'A text.' }] });
});
