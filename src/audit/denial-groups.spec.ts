import { DenialGroups, RECORDED_EVERY_MS, type DenialKind } from './denial-groups.js';

const INSTALLATION = 'nobody';
const SOURCE = { requestId: 'r', ip: '192.0.2.1', userAgent: null };
const kind = (more: Partial<DenialKind> = {}): DenialKind => ({ tenantId: 't', actorType: 'user', actorId: 'u', apiKeyId: null, accountId: null, route: 'GET /', code: 'forbidden_role', ...more });
const at = (ms: number): Date => new Date(ms);

describe('refusals', () => {
  it('of one kind are one entry, with their number, the first time and the last source', () => {
    const groups = new DenialGroups();
    for (let n = 0; n < 1000; n++) groups.note(kind(), { ...SOURCE, requestId: String(n) }, at(n), INSTALLATION);
    expect(groups.take(at(1000))).toEqual([{ ...kind(), ...SOURCE, requestId: '999', count: 1000, firstAt: at(0) }]);
    expect(groups.take(at(1001))).toEqual([]);
  });

  it('of one kind are recorded once a minute, however they go on', () => {
    const groups = new DenialGroups();
    const recorded: number[] = [];
    for (let second = 0; second < 180; second++) {
      groups.note(kind(), SOURCE, at(second * 1000), INSTALLATION);
      recorded.push(...groups.take(at(second * 1000)).map(({ count }) => count));
    }
    expect(recorded).toEqual([1, 60, 60]);
    expect(groups.take(at(180_000), true).map(({ count }) => count)).toEqual([59]);
  });

  it('of many kinds are told apart up to a number for each tenant and for all, and beyond it still counted', () => {
    const groups = new DenialGroups(3, 6);
    for (const tenantId of ['a', 'b', 'c']) for (let n = 0; n < 10; n++) groups.note(kind({ tenantId, route: `GET /${n}` }), SOURCE, at(0), INSTALLATION);
    const taken = groups.take(at(0));
    expect(taken.length).toBeLessThanOrEqual(9);
    expect(taken.reduce((sum, { count }) => sum + count, 0)).toBe(30);
    expect(taken).toContainEqual(expect.objectContaining({ tenantId: 'a', route: 'others', count: 7 }));
  });

  it('that could not be recorded are recorded with the next', () => {
    const groups = new DenialGroups();
    groups.note(kind(), SOURCE, at(0), INSTALLATION);
    const lost = groups.take(at(0));
    groups.note(kind(), { ...SOURCE, requestId: 'later' }, at(1), INSTALLATION);
    groups.giveBack(lost, INSTALLATION);
    expect(groups.take(at(2))).toEqual([expect.objectContaining({ count: 2, firstAt: at(0), requestId: 'later' })]);
  });

  it('are forgotten when none has come for a minute', () => {
    const groups = new DenialGroups(1);
    groups.note(kind(), SOURCE, at(0), INSTALLATION);
    groups.take(at(0));
    groups.take(at(RECORDED_EVERY_MS));
    groups.note(kind({ route: 'GET /other' }), SOURCE, at(RECORDED_EVERY_MS), INSTALLATION);
    expect(groups.take(at(RECORDED_EVERY_MS))).toEqual([expect.objectContaining({ route: 'GET /other' })]);
  });
});
