import fc from 'fast-check';
import type { ApiClient } from '../support/api-client.js';
import { administrator, createTenant, ingestText, type Tenant } from '../support/factories.js';
import { setLimits } from '../support/quotas.js';
import { SearchScopes } from '../../src/search/search-scope.js';
import { TestApp } from '../support/test-app.js';

type Json = string | number | boolean | null | Json[];
interface Paper {
  id: string;
  title: string;
  metadata: Record<string, Json>;
}

/** Values that are like each other, so that comparisons are of the same kind and of others, and sometimes equal. */
const SCALARS = [0, 1, 2, 2.5, -1, 1e6, 'a', 'b', 'B', 'é', '1', '', true, false, null] as const;
const KEYS = ['year', 'tags', 'a.b', '$odd', "o'clock", 'missing'] as const;

const nameOf = (key: string): string => (key.startsWith('$') ? `metadata.${key}` : key);
const bytes = (text: string): Buffer => Buffer.from(text);

/** The grammar as the README says it, without SQL. */
function fits(filter: Record<string, unknown>, { metadata }: Paper): boolean {
  return Object.entries(filter).every(([name, operand]) => {
    if (name === '$and') return (operand as Record<string, unknown>[]).every((part) => fits(part, { metadata } as Paper));
    if (name === '$or') return (operand as Record<string, unknown>[]).some((part) => fits(part, { metadata } as Paper));
    if (name === '$not') return !fits(operand as Record<string, unknown>, { metadata } as Paper);
    const key = name.startsWith('metadata.') ? name.slice('metadata.'.length) : name;
    const isThere = Object.hasOwn(metadata, key);
    const value = isThere ? metadata[key]! : null;
    const elements = Array.isArray(value) ? value : [value];
    const conditions = typeof operand === 'object' && operand !== null ? Object.entries(operand) : [['$eq', operand] as const];
    return conditions.every(([operator, wanted]: readonly [string, unknown]) => {
      const equals = (other: unknown): boolean => elements.some((element) => element === other);
      const compares = (holds: (order: number) => boolean): boolean =>
        elements.some((element) => {
          if (typeof element === 'number' && typeof wanted === 'number') return holds(element - wanted);
          return typeof element === 'string' && typeof wanted === 'string' && holds(Buffer.compare(bytes(element), bytes(wanted)));
        });
      switch (operator) {
        case '$eq': return equals(wanted);
        case '$ne': return !equals(wanted);
        case '$in': return (wanted as unknown[]).some(equals);
        case '$nin': return !(wanted as unknown[]).some(equals);
        case '$exists': return isThere === wanted;
        case '$gt': return compares((order) => order > 0);
        case '$gte': return compares((order) => order >= 0);
        case '$lt': return compares((order) => order < 0);
        default: return compares((order) => order <= 0);
      }
    });
  });
}

const scalar = fc.constantFrom(...SCALARS);
const comparable = scalar.filter((value) => typeof value === 'string' || typeof value === 'number');
const condition = fc.oneof(
  scalar,
  fc.record({ $eq: scalar }), fc.record({ $ne: scalar }), fc.record({ $exists: fc.boolean() }),
  fc.record({ $in: fc.array(scalar, { minLength: 1, maxLength: 3 }) }), fc.record({ $nin: fc.array(scalar, { minLength: 1, maxLength: 3 }) }),
  fc.record({ $gt: comparable }), fc.record({ $gte: comparable, $lt: comparable }), fc.record({ $lte: comparable }),
);
const { filter: anyFilter } = fc.letrec<{ filter: Record<string, unknown> }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3 },
    fc.dictionary(fc.constantFrom(...KEYS.map(nameOf)), condition, { maxKeys: 2 }),
    fc.record({ $and: fc.array(tie('filter'), { minLength: 1, maxLength: 2 }) }),
    fc.record({ $or: fc.array(tie('filter'), { minLength: 1, maxLength: 2 }) }),
    fc.record({ $not: tie('filter') }),
  ),
}));
const anyMetadata = fc.dictionary(fc.constantFrom(...KEYS.filter((key) => key !== 'missing')), fc.oneof(scalar, fc.array(scalar, { maxLength: 3 })), { maxKeys: 4 });

describe('a search filter', () => {
  let server: TestApp;
  let tenant: Tenant;
  let papers: Paper[];

  beforeAll(async () => {
    server = await TestApp.start();
    tenant = await createTenant(server.anonymous);
    await setLimits(await administrator(server), tenant, { api_calls_per_hour: null });
    const metadata = fc.sample(anyMetadata, { numRuns: 24, seed: 7 });
    papers = await Promise.all(metadata.map(async (each, at) => ({ id: await ingestText(tenant.client, `Paper ${at}`, `The lighthouse, number ${at}.`, { metadata: each }), title: `Paper ${at}`, metadata: each as Record<string, Json> })));
  }, 60_000);
  afterAll(() => server.stop());

  const search = (body: object, client: ApiClient = tenant.client) => client.post('/api/v1/search', { query: 'lighthouse', mode: 'keyword', top_k: 100, ...body });
  const found = async (filter: object, more: object = {}): Promise<string[]> => {
    const { status, body } = await search({ filter, ...more });
    expect([status, body.detail]).toEqual([200, undefined]);
    return (body.results as { citation: { document_id: string } }[]).map((result) => result.citation.document_id).toSorted();
  };

  it.each([['that names its documents to the store', 5000], ['whose documents are too many to be named', 0]])('%s finds what the grammar says, whatever the metadata', async (_, mostDocumentIds) => {
    const scopes = server.app.get(SearchScopes, { strict: false });
    const before = scopes.mostDocumentIds;
    scopes.mostDocumentIds = mostDocumentIds;
    try {
      await fc.assert(
        fc.asyncProperty(anyFilter, async (filter) => {
          const expected = papers.filter((paper) => fits(filter, paper)).map(({ id }) => id).toSorted();
          expect(await found(filter)).toEqual(expected);
        }),
        { numRuns: 80, seed: 11 },
      );
    } finally {
      scopes.mostDocumentIds = before;
    }
  });

  it('reads the document’s own type, title and time, and holds at once when metadata change', async () => {
    const [first] = papers;
    expect(await found({ title: first!.title })).toEqual([first!.id]);
    expect(await found({ title: { $in: ['Paper 1', 'Paper 2'] }, type: 'md' })).toHaveLength(2);
    expect(await found({ type: { $ne: 'md' } })).toEqual([]);
    expect(await found({ created_at: { $gt: '2020-01-01', $lt: '2999-01-01T00:00:00Z' } })).toHaveLength(papers.length);
    expect(await found({ created_at: { $lt: '2020-01-01T00:00:00+02:00' } })).toEqual([]);
    await tenant.client.patch(`/api/v1/documents/${first!.id}`, { metadata: { fresh: 'yes' } });
    expect(await found({ fresh: 'yes' })).toEqual([first!.id]);
    expect(await found({ fresh: 'yes' }, { document_ids: [papers[1]!.id] })).toEqual([]);
    await tenant.client.patch(`/api/v1/documents/${first!.id}`, { metadata: first!.metadata });
  });

  it('is a 400 that names the place when it is not in the grammar, and no JSON makes it more than that', async () => {
    const refused = await search({ filter: { $and: [{ a: 1 }, { year: { $gtt: 1 } }] } });
    expect(refused).toMatchObject({ status: 400, body: { code: 'validation_failed', errors: [{ field: 'filter.$and[1].year.$gtt' }] } });
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 4 }), fc.string({ unit: 'binary', maxLength: 8 }), async (value, key) => {
        for (const filter of [value, { [key]: value }, { a: { [`$${key}`]: value } }, { $or: [value] }]) expect([200, 400]).toContain((await search({ filter })).status);
      }),
      { numRuns: 40, seed: 13 },
    );
  });

  it('shows nothing of another tenant, whose documents are named or not', async () => {
    const stranger = await createTenant(server.anonymous);
    expect((await search({ filter: {} }, stranger.client)).body.results).toEqual([]);
    expect((await search({ filter: { title: 'Paper 1' }, document_ids: [papers[1]!.id] }, stranger.client)).body.results).toEqual([]);
  });
});
