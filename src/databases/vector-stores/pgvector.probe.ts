import { PostgresConnections } from './pgvector.connections.js';
import { pgVectorOptions } from './pgvector.server.js';
import { PgVectorStore } from './pgvector.store.js';
import type { ServerProbe } from './server-probe.js';
import { requireVersion } from './server-version.js';

/** The first whose successors are all maintained, as are ours. */
const OLDEST = [13, 0] as const;

/** Nobody waits for it longer, and what is still under way then should end soon. */
const PATIENCE_MS = 5000;

/** What PostgreSQL says of itself, then what the store needs: the extension, and a schema in which it may write. */
export const probePgVector: ServerProbe = async (connection, outbound) => {
  const { schema, ...server } = pgVectorOptions(connection, outbound, { warn: () => undefined });
  const connections = new PostgresConnections({ ...server, connectTimeoutMs: PATIENCE_MS, statementTimeoutMs: PATIENCE_MS });
  const store = PgVectorStore.over(connections, schema);
  try {
    const { rows } = await connections.transaction('', (sql) => sql.query<{ server_version: string }>('SHOW server_version'));
    // `17.6 (Debian 17.6-1)`
    const version = requireVersion('PostgreSQL', rows[0]?.server_version.split(' ')[0], OLDEST);
    await store.ping();
    return version;
  } finally {
    await store.close();
  }
};
