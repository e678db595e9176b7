import { ValidationFailed } from '../../common/request-errors.js';
import { parseFilter } from './filter.js';

const fieldOf = (value: unknown): string => {
  try {
    parseFilter(value);
  } catch (error) {
    if (error instanceof ValidationFailed) return (error.members['errors'] as { field: string }[])[0]!.field;
    throw error;
  }
  return 'none';
};

describe('parseFilter', () => {
  it.each([
    [{}],
    [{ year: 2024 }],
    [{ year: { $gte: 2024, $lt: 2026 }, tags: { $in: ['a', 1, true, null] } }],
    [{ $and: [{ a: 1 }, { $or: [{ b: 2 }, { $not: { c: { $exists: false } } }] }] }],
    [{ created_at: { $gte: '2026-01-31' }, type: 'pdf', title: { $ne: 'x' } }],
    [{ 'metadata.title': 'x', 'metadata.$odd': 1, 'dots.are.no.path': 1, '': 1, constructor: 1 }],
    [JSON.parse('{"__proto__": 1}')],
  ])('takes %j', (value) => {
    expect(fieldOf(value)).toBe('none');
  });

  it.each([
    [[], 'filter'],
    ['x', 'filter'],
    [null, 'filter'],
    [{ $nor: [] }, 'filter.$nor'],
    [{ $and: [] }, 'filter.$and'],
    [{ $and: {} }, 'filter.$and'],
    [{ $or: [{ a: 1 }, 2] }, 'filter.$or[1]'],
    [{ $and: [{ a: 1 }, { year: { $gtt: 1 } }] }, 'filter.$and[1].year.$gtt'],
    [{ a: {} }, 'filter.a'],
    [{ a: [1] }, 'filter.a'],
    [{ a: { $eq: { b: 1 } } }, 'filter.a.$eq'],
    [{ a: { $in: [] } }, 'filter.a.$in'],
    [{ a: { $in: 'x' } }, 'filter.a.$in'],
    [{ a: { $in: [1, [2]] } }, 'filter.a.$in[1]'],
    [{ a: { $gt: null } }, 'filter.a.$gt'],
    [{ a: { $gt: true } }, 'filter.a.$gt'],
    [{ a: { $exists: 1 } }, 'filter.a.$exists'],
    [{ type: 1 }, 'filter.type'],
    [{ title: { $in: ['x', null] } }, 'filter.title.$in[1]'],
    [{ created_at: { $gt: 'yesterday' } }, 'filter.created_at.$gt'],
    [{ created_at: { $gt: 5 } }, 'filter.created_at.$gt'],
    [{ created_at: { $gt: '0000-01-01' } }, 'filter.created_at.$gt'],
    [{ a: Number.POSITIVE_INFINITY }, 'filter.a'],
    [{ $or: Array.from({ length: 3 }, () => ({ $or: Array.from({ length: 90 }, () => ({})) })) }, 'filter.$or[2].$or[16]'],
    [{ a: '\ud800' }, 'filter.a'],
    [{ a: 'x\0y' }, 'filter.a'],
    [{ ['x'.repeat(2000)]: 1 }, `filter.${'x'.repeat(60)}…`],
    [{ a: 'x'.repeat(1001) }, 'filter.a'],
    [{ a: { $in: Array.from({ length: 201 }, (_, at) => at) } }, 'filter.a.$in'],
    [{ $and: Array.from({ length: 101 }, () => ({ a: 1 })) }, 'filter.$and'],
    [{ $or: [{ $and: Array.from({ length: 60 }, () => ({ a: 1 })) }, { $and: Array.from({ length: 60 }, () => ({ a: 1 })) }] }, 'filter.$or[1].$and[40].a'],
    [{ $not: { $not: { $not: { $not: { $not: { $not: { $not: { $not: { a: 1 } } } } } } } } }, 'filter.$not.$not.$not.$not.$not.$not.$not.$not'],
  ])('refuses %j and names the place', (value, field) => {
    expect(fieldOf(value)).toBe(field);
  });

  it('reads a time without a zone as UTC, wherever the server stands', () => {
    expect(parseFilter({ created_at: '2026-01-31T12:00:00' })).toEqual(parseFilter({ created_at: '2026-01-31T12:00:00Z' }));
    expect(parseFilter({ created_at: '2026-01-31' })).toEqual(parseFilter({ created_at: '2026-01-31T01:00:00+01:00' }));
  });
});
