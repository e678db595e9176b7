import { Injectable } from '@nestjs/common';
import type { SystemTx } from '../persistence/transactions.js';

/** One try, by its subject and its time as PostgreSQL writes it. */
export interface Attempt {
  subject: string;
  triedAt: string;
}

/** What the subject has had in the window: how many tries and since when, how many of them failed and since the last, in seconds. */
export interface RecentTries {
  tries: number;
  sinceOldestSeconds: number;
  failures: number;
  sinceLastFailureSeconds: number;
}

@Injectable()
export class LoginAttemptsRepository {
  /**
   * Adds a try unless the subject has to wait, in one statement: of many at once, over all processes, no more pass than may.
   * @param pauseSeconds by the number of failures so far, how long after the last one the next try may come; its length is how many may fail or be under way
   */
  async insert(tx: SystemTx, subject: string, windowSeconds: number, pauseSeconds: readonly number[]): Promise<Attempt | null> {
    const rows = await tx.manager.query<{ triedAt: string }[]>(
      `INSERT INTO login_attempts AS a (subject, tried_at, last_tried_at) VALUES ($1, ARRAY[clock_timestamp()], now())
       ON CONFLICT (subject) DO UPDATE SET last_tried_at = now(),
              tried_at = ARRAY(SELECT t FROM unnest(a.tried_at) t WHERE t > now() - make_interval(secs => $2)) || clock_timestamp()
        WHERE (SELECT count(*) < cardinality($3::float8[]) FROM unnest(a.tried_at) t WHERE t > now() - make_interval(secs => $2))
          AND COALESCE((SELECT max(f) + make_interval(secs => ($3::float8[])[count(*)::int + 1]) <= clock_timestamp()
                          FROM unnest(a.failed_at) f WHERE f > now() - make_interval(secs => $2)), true)
       RETURNING a.tried_at[cardinality(a.tried_at)]::text AS "triedAt"`,
      [subject, windowSeconds, pauseSeconds],
    );
    return rows[0] ? { subject, triedAt: rows[0].triedAt } : null;
  }

  async recent(tx: SystemTx, subject: string, windowSeconds: number): Promise<RecentTries | null> {
    const rows = await tx.manager.query<RecentTries[]>(
      `SELECT tried.count AS tries, extract(epoch FROM clock_timestamp() - tried.oldest)::float8 AS "sinceOldestSeconds", failed.count AS failures,
              extract(epoch FROM clock_timestamp() - failed.last)::float8 AS "sinceLastFailureSeconds"
         FROM login_attempts a,
              LATERAL (SELECT count(*)::int, min(t) AS oldest FROM unnest(a.tried_at) t WHERE t > now() - make_interval(secs => $2)) tried,
              LATERAL (SELECT count(*)::int, max(f) AS last FROM unnest(a.failed_at) f WHERE f > now() - make_interval(secs => $2)) failed
        WHERE a.subject = $1`,
      [subject, windowSeconds],
    );
    return rows[0] ?? null;
  }

  async markFailed(tx: SystemTx, { subject, triedAt }: Attempt, windowSeconds: number): Promise<void> {
    await tx.manager.query(
      `UPDATE login_attempts SET failed_at = ARRAY(SELECT f FROM unnest(failed_at) f WHERE f > now() - make_interval(secs => $3)) || $2::timestamptz WHERE subject = $1`,
      [subject, triedAt, windowSeconds],
    );
  }

  async remove(tx: SystemTx, { subject, triedAt }: Attempt): Promise<void> {
    await tx.manager.query('UPDATE login_attempts SET tried_at = array_remove(tried_at, $2::timestamptz) WHERE subject = $1', [subject, triedAt]);
  }

  async removeAll(tx: SystemTx, subject: string): Promise<void> {
    await tx.manager.query('DELETE FROM login_attempts WHERE subject = $1', [subject]);
  }

  /** A few at a time, by whoever comes along, so that no row stays for long and no job has to see to it. */
  async removeOutdated(tx: SystemTx, windowSeconds: number): Promise<void> {
    await tx.manager.query(
      `DELETE FROM login_attempts WHERE subject IN (SELECT subject FROM login_attempts WHERE last_tried_at < now() - make_interval(secs => $1)
                                                     ORDER BY last_tried_at LIMIT 20 FOR UPDATE SKIP LOCKED)`,
      [windowSeconds],
    );
  }
}
