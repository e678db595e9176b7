import type { QueryRunner } from 'typeorm';

export interface Opening {
  statement: string;
  values: unknown[];
}

/**
 * Starts a transaction and sends its first statement right behind, without waiting in between: one round trip for both. Answers its rows.
 * When the start fails, so does this, and a statement that came through alone must have changed nothing beyond itself.
 */
export async function openTransaction<Row>(runner: QueryRunner, { statement, values }: Opening): Promise<Row[]> {
  const query = runner.query.bind(runner);
  let rows: Row[] = [];
  const starting = async (start: string): Promise<unknown> => {
    Object.assign(runner, { query });
    const [started, opened] = await Promise.all([query(start), query(statement, values)]);
    rows = opened as Row[];
    return started;
  };
  Object.assign(runner, { query: starting });
  await runner.startTransaction();
  return rows;
}
