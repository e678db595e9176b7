import { InvalidPoints, VectorStoreUnavailable } from '../vector-stores/vector-store.errors.js';
import type { VectorHit, VectorQuery, VectorStore } from '../vector-stores/vector-store.js';
import { Collection } from './collection.js';

const QUERY: VectorQuery = { tenantId: 't', mode: 'keyword', text: 'x', limit: 1 };
const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

function collectionOf(store: Partial<VectorStore>): Collection {
  return new Collection({ ping: () => Promise.resolve({ latencyMs: 1 }), ...store } as VectorStore, 'c', { dimensions: 3 }, (_, work) => work(), 20);
}

describe('Collection', () => {
  it('does not wait for a server that has taken a search and answers nothing', async () => {
    await expect(collectionOf({ search: () => never<VectorHit[]>(), ping: () => never() }).search(QUERY)).rejects.toBeInstanceOf(VectorStoreUnavailable);
  });

  it('tells a server that is away from a failure of one that answers', async () => {
    const failed = () => Promise.reject(new InvalidPoints('wrong'));
    await expect(collectionOf({ search: failed }).search(QUERY)).rejects.toBeInstanceOf(InvalidPoints);
    await expect(collectionOf({ search: failed, ping: () => Promise.reject(new Error('away')) }).search(QUERY)).rejects.toBeInstanceOf(VectorStoreUnavailable);
  });
});
