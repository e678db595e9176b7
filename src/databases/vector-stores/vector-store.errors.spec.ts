import { VectorServerFailure } from './remote-failure.js';
import { unavailableOr, VectorStoreUnavailable } from './vector-store.errors.js';

const answering = { ping: () => Promise.resolve({ latencyMs: 1 }) };
const away = { ping: () => Promise.reject(new Error('away')) };

it.each(['refused', 'timeout'] as const)('a server that was away for one request is unavailable, though it answers again: %s', async (code) => {
  const failure = new VectorServerFailure(code, 'gone');
  const error = await unavailableOr(answering, failure);
  expect(error).toBeInstanceOf(VectorStoreUnavailable);
  expect(error).toMatchObject({ status: 503, cause: failure });
});

it('a server that answers and failed at something failed at that', async () => {
  for (const error of [new VectorServerFailure('unexpected', 'no such shard'), new Error('a mistake of ours')]) {
    expect(await unavailableOr(answering, error)).toBe(error);
    expect(await unavailableOr(away, error)).toBeInstanceOf(VectorStoreUnavailable);
  }
});
