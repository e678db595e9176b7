// Notes what a server sends to PostgreSQL, so that a floor can send the same. While nobody asks for it, it costs nothing.

const ROLE_OF_TENANTS = 'morag_app';

/** @returns tasks: `record` begins, `recorded` ends and answers the transactions of tenants since, each a list of `{ sql, values }` */
export function recorderOf(source) {
  const create = source.createQueryRunner;
  let transactions = [];

  function record() {
    transactions = [];
    source.createQueryRunner = (...options) => {
      const runner = create.apply(source, options);
      const { query } = runner;
      const statements = [];
      transactions.push(statements);
      runner.query = (sql, values, ...rest) => {
        statements.push({ sql, values });
        return query.call(runner, sql, values, ...rest);
      };
      return runner;
    };
  }

  function recorded() {
    delete source.createQueryRunner;
    // The server also writes, by the clock, what it counted for all tenants.
    return { transactions: transactions.filter((statements) => statements.some(({ values }) => values?.[0] === ROLE_OF_TENANTS)) };
  }

  return { record, recorded };
}
