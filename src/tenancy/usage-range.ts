import { ValidationFailed } from '../common/request-errors.js';

export const GRANULARITIES = ['hour', 'day'] as const;
export type Granularity = (typeof GRANULARITIES)[number];

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const BUCKET_MS: Readonly<Record<Granularity, number>> = { hour: HOUR_MS, day: DAY_MS };

/** After this, hours are summed up into days, and days are gone. */
export const KEPT_DAYS: Readonly<Record<Granularity, number>> = { hour: 35, day: 400 };
const LONGEST_DAYS: Readonly<Record<Granularity, number>> = { hour: 31, day: 400 };
const DEFAULT_DAYS = 30;

/** Whole hours or whole UTC days, from the first one's start up to the last one's end. */
export interface UsageRange {
  from: Date;
  to: Date;
  granularity: Granularity;
}

const refuse = (message: string): ValidationFailed => new ValidationFailed([{ field: 'from', message }]);

/**
 * The hours or days that lie in a time at least in part; by default in the last 30 days.
 * @throws ValidationFailed when it runs backwards, is too long for one answer or reaches back beyond what is kept
 */
export function usageRange(asked: { from?: Date; to?: Date; granularity: Granularity }, now = new Date()): UsageRange {
  const { granularity } = asked;
  const to = asked.to ?? now;
  const from = asked.from ?? new Date(to.getTime() - DEFAULT_DAYS * DAY_MS);
  const bucketMs = BUCKET_MS[granularity];
  const startOf = (time: number): number => Math.floor(time / bucketMs) * bucketMs;
  if (from >= to) throw refuse('from must be earlier than to');
  if (to.getTime() - from.getTime() > LONGEST_DAYS[granularity] * DAY_MS) {
    throw refuse(`from must be at most ${LONGEST_DAYS[granularity]} days before to with granularity=${granularity}`);
  }
  if (startOf(from.getTime()) < startOf(now.getTime() - KEPT_DAYS[granularity] * DAY_MS)) {
    throw refuse(
      `from must be at most ${KEPT_DAYS[granularity]} days ago with granularity=${granularity}: ` +
        (granularity === 'hour' ? 'older hours are summed up, so ask for granularity=day' : 'older days are not kept'),
    );
  }
  return { from: new Date(startOf(from.getTime())), to: new Date(Math.ceil(to.getTime() / bucketMs) * bucketMs), granularity };
}

/** The start of every hour or day of a range, in order. */
export function bucketsOf({ from, to, granularity }: UsageRange): Date[] {
  const length = (to.getTime() - from.getTime()) / BUCKET_MS[granularity];
  return Array.from({ length }, (_, at) => new Date(from.getTime() + at * BUCKET_MS[granularity]));
}

/** The end of every hour or day of a range, in order. */
export const bucketEndsOf = (range: UsageRange): Date[] => [...bucketsOf(range).slice(1), range.to];
