import { RecentWrites } from './recent-writes.js';

describe('recent writes', () => {
  it('know when each tenant wrote last, until a replica has it', () => {
    const writes = new RecentWrites();
    writes.note('ada', 1);
    writes.note('bob', 2);
    writes.note('ada', 3);
    writes.forget(2);
    expect([writes.last('ada'), writes.last('bob')]).toEqual([3, Number.NEGATIVE_INFINITY]);
  });

  it('take whoever was forgotten for want of room for somebody who wrote when the last of them did', () => {
    const writes = new RecentWrites(2);
    for (const [at, tenant] of ['ada', 'bob', 'cyd', 'dan'].entries()) writes.note(tenant, at);
    expect(['ada', 'bob', 'cyd', 'dan', 'eve'].map((tenant) => writes.last(tenant))).toEqual([1, 1, 2, 3, 1]);
  });
});
