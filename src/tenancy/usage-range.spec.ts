import { bucketEndsOf, bucketsOf, usageRange } from './usage-range.js';

const NOW = new Date('2026-11-24T10:20:30Z');
const day = (text: string): Date => new Date(`2026-${text}T00:00:00Z`);
const told = (ask: () => unknown): unknown => {
  try {
    return ask();
  } catch (error) {
    return (error as { members: { errors: { message: string }[] } }).members.errors[0]!.message;
  }
};

describe('a range of usage', () => {
  it('is the last thirty days unless somebody says otherwise', () => {
    expect(usageRange({ granularity: 'day' }, NOW)).toEqual({ from: day('10-25'), to: day('11-25'), granularity: 'day' });
  });

  it('takes in every hour that lies in it in part, and no other', () => {
    const range = usageRange({ from: new Date('2026-11-24T07:59:59Z'), to: new Date('2026-11-24T10:00:00Z'), granularity: 'hour' }, NOW);
    expect(bucketsOf(range)).toEqual(['07', '08', '09'].map((hour) => new Date(`2026-11-24T${hour}:00:00Z`)));
    expect(bucketEndsOf(range)).toEqual(['08', '09', '10'].map((hour) => new Date(`2026-11-24T${hour}:00:00Z`)));
  });

  it('has at most 745 hours or 401 days', () => {
    expect(bucketsOf(usageRange({ from: new Date('2026-10-24T10:20:30Z'), to: NOW, granularity: 'hour' }, NOW))).toHaveLength(745);
    expect(bucketsOf(usageRange({ from: new Date(NOW.getTime() - 400 * 86_400_000), to: NOW, granularity: 'day' }, NOW))).toHaveLength(401);
  });

  it.each([
    [{ from: NOW, to: NOW, granularity: 'day' as const }, 'from must be earlier than to'],
    [{ from: day('10-20'), to: day('11-24'), granularity: 'hour' as const }, 'from must be at most 31 days before to with granularity=hour'],
    [{ from: day('10-19'), to: day('10-21'), granularity: 'hour' as const }, 'from must be at most 35 days ago with granularity=hour: older hours are summed up, so ask for granularity=day'],
    [{ from: day('11-01'), to: new Date('2028-01-01'), granularity: 'day' as const }, 'from must be at most 400 days before to with granularity=day'],
    [{ from: new Date('2024-01-01'), to: new Date('2024-02-01'), granularity: 'day' as const }, 'from must be at most 400 days ago with granularity=day: older days are not kept'],
    [{ from: new Date(-8.64e15), to: new Date(-8.64e15 + 1), granularity: 'day' as const }, 'from must be at most 400 days ago with granularity=day: older days are not kept'],
  ])('refuses %p', (asked, message) => {
    expect(told(() => usageRange(asked, NOW))).toBe(message);
  });
});
