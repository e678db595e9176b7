import type { ServerConnection } from './server-connection.js';
import type { PgVectorOptions } from './pgvector.store.js';

/** What PostgreSQL's own clients take in the place of a user that is not named; the database is then named like the user. */
const STANDARD_USER = 'postgres';

export function pgVectorOptions({ host, port, username, password, database, config }: ServerConnection, outbound: PgVectorOptions['outbound'], logger: PgVectorOptions['logger']): PgVectorOptions {
  const { tls = false, schema } = config as { tls?: boolean; schema?: string };
  const user = username ?? STANDARD_USER;
  return { host, port: port ?? undefined, user, password: password ?? undefined, database: database ?? user, tls, schema, outbound, logger };
}
