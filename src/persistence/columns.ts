import type { ValueTransformer } from 'typeorm';

/** PostgreSQL's bigint arrives as text; our counters stay far below 2^53. */
export const bigintColumn: ValueTransformer = {
  to: (value: number | null) => value,
  from: (value: string | null) => (value === null ? null : Number(value)),
};
