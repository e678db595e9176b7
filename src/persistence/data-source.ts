import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions.js';
import { MIGRATIONS } from './migrations/index.js';

/** For requests and jobs. The login role has no rights of its own: only `Transactions` lends it some. */
export function runtimeOptions(url: string, poolSize: number): PostgresDataSourceOptions {
  return {
    type: 'postgres',
    url,
    poolSize,
    synchronize: false,
    applicationName: 'morag',
    // A pool never waits for ever: an exhausted one answers 503 within 5 s.
    connectTimeoutMS: 5000,
    // A statement is sent without waiting for the answer to the one before, where the caller does not wait either.
    extra: { keepAlive: true, idleTimeoutMillis: 30_000, pipeline: true },
  };
}

/** For migrations: one connection, as the owner of the schema from its first statement on. */
export function migrationOptions(url: string): PostgresDataSourceOptions {
  return {
    type: 'postgres',
    url,
    poolSize: 1,
    synchronize: false,
    applicationName: 'morag-migrations',
    migrations: MIGRATIONS,
    migrationsTableName: 'migrations',
    migrationsTransactionMode: 'each',
    extra: { options: '-c role=morag_owner', idleTimeoutMillis: 0 },
  };
}
