import { AppError } from '../common/errors.js';
import type { EmbeddingFailed } from '../embeddings/embedder.js';

/** The embedding endpoint is away, or does not take this query. Keyword search works without it. */
export class QueryNotEmbedded extends AppError {
  constructor(cause: EmbeddingFailed) {
    const refused = cause.code === 'rejected';
    super(
      {
        status: refused ? 422 : 503,
        code: refused ? 'query_rejected' : 'embedding_unavailable',
        title: refused ? 'Query rejected' : 'Service unavailable',
        detail: refused ? 'The embedding model does not take this query; shorten it.' : 'The embedding model does not answer. Try again in a moment, or search with mode "keyword".',
        retryable: !refused,
        ...(refused ? {} : { headers: { 'Retry-After': '2' } }),
      },
      { cause },
    );
  }
}
