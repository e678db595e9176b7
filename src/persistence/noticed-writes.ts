import type pg from 'pg';
import type { QueryRunner } from 'typeorm';

/** In one message with the COMMIT, so that knowing costs no round trip. A transaction has an id once it has written, locked or announced anything. */
const COMMIT_AND_TELL = 'SELECT pg_current_xact_id_if_assigned() IS NOT NULL AS has_written; COMMIT';

export interface NoticedWrites {
  /** Also when the answer to a COMMIT was lost. */
  mayHaveWritten: boolean;
}

/** Has the runner's COMMIT tell whether the transaction wrote anything. */
export function noticeWrites(runner: QueryRunner): NoticedWrites {
  const noticed = { mayHaveWritten: false };
  const query = runner.query.bind(runner) as (...all: unknown[]) => Promise<unknown>;
  const noticing = async (statement: string, ...rest: unknown[]): Promise<unknown> => {
    if (statement !== 'COMMIT') return query(statement, ...rest);
    const client = (await runner.connect()) as pg.PoolClient;
    noticed.mayHaveWritten = true;
    // The driver answers two statements with two results, which its types do not know.
    const [told] = (await client.query(COMMIT_AND_TELL)) as unknown as pg.QueryResult<{ has_written: boolean }>[];
    noticed.mayHaveWritten = told!.rows[0]!.has_written;
    return undefined;
  };
  Object.assign(runner, { query: noticing });
  return noticed;
}
