import type { Matches } from '../support/database-proxy.js';

/** A place at which an attempt of a job can be stopped. */
export interface Point {
  name: string;
  where: 'before' | 'after';
  /** What is sent to PostgreSQL there. */
  matches(jobId: string): Matches;
  /** Goes on from there, and is struck once the first file of its vectors appears. */
  midUpsert?: true;
}

/** A statement about the job, as it is sent. */
const statement =
  (pattern: RegExp, also = ''): Point['matches'] =>
  (jobId) =>
  (request) =>
    pattern.test(request) && request.includes(jobId) && request.includes(also);

/** The COMMIT of the transaction with such a statement about the job. */
const commitOf =
  (pattern: RegExp, also = ''): Point['matches'] =>
  (jobId) =>
  (request, transaction) =>
    request.includes('COMMIT') && pattern.test(transaction) && transaction.includes(jobId) && transaction.includes(also);

const CLAIM = /UPDATE jobs SET status = 'PROCESSING'/;
const REPORT = /UPDATE jobs SET percentage = GREATEST/;
const FINISH = /UPDATE jobs SET status = 'FINISHED'/;

export const POINTS = {
  claimed: { name: 'after the claim', where: 'after', matches: commitOf(CLAIM) },
  parsed: { name: 'after parsing', where: 'before', matches: statement(REPORT, 'chunking') },
  embedding: { name: 'while it embeds', where: 'before', matches: statement(REPORT, 'embedding') },
  storing: { name: 'before the upsert', where: 'after', matches: commitOf(REPORT, 'storing') },
  midUpsert: { name: 'in the middle of the upsert', where: 'after', matches: commitOf(REPORT, 'storing'), midUpsert: true },
  stored: { name: 'after the upsert', where: 'before', matches: statement(FINISH) },
  uncommitted: { name: 'before the commit', where: 'before', matches: commitOf(FINISH) },
  committed: { name: 'after the commit, before its answer', where: 'after', matches: commitOf(FINISH) },
} satisfies Record<string, Point>;

export const EVERY_POINT: readonly Point[] = Object.values(POINTS);
