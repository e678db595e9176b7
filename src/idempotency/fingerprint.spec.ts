import { fingerprintOf, type RequestFacts } from './fingerprint.js';

const FACTS: RequestFacts = { method: 'POST', route: '/things/:id', params: { id: '1' }, query: {}, body: { a: 1, b: { c: [1, 2], d: 'x' } }, databaseIds: null };
const same = (change: Partial<RequestFacts>): boolean => fingerprintOf(FACTS).equals(fingerprintOf({ ...FACTS, ...change }));

describe('a request with the same key', () => {
  it('is the same one whatever the order of its members', () => {
    expect(same({ body: JSON.parse('{ "b": {"d":"x", "c":[1,2]}, "a":1.0 }') })).toBe(true);
    expect(fingerprintOf({ ...FACTS, databaseIds: ['2', '1'] })).toEqual(fingerprintOf({ ...FACTS, databaseIds: ['1', '2'] }));
  });

  it.each<Partial<RequestFacts>>([
    { params: { id: '2' } },
    { query: { q: '' } },
    { body: undefined },
    { body: { a: 1, b: { c: [2, 1], d: 'x' } } },
    { body: { a: '1', b: { c: [1, 2], d: 'x' } } },
    { route: '/things' },
    { databaseIds: [] },
    { databaseIds: ['1'] },
  ])('is another one with %j', (change) => {
    expect(same(change)).toBe(false);
  });

  it('is refused, not walked into, when it is nested without end', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
    expect(() => same({ body: deep })).toThrow(expect.objectContaining({ status: 400 }));
  });
});
