import { errorCode } from '../../common/error-code.js';
import { PostgresConnections } from './pgvector.connections.js';
import { pgVectorOptions } from './pgvector.server.js';
import { PgVectorStore } from './pgvector.store.js';
import { VectorServerFailure } from './remote-failure.js';
import type { ServerProbe } from './server-probe.js';
import { requireVersion } from './server-version.js';

/** The first whose successors are all maintained, as are ours. */
const OLDEST = [13, 0] as const;

/** Nobody waits for it longer, and what is still under way then should end soon. */
const PATIENCE_MS = 5000;

/** What PostgreSQL says of itself, then what the store needs: the extension, and a schema in which it may write. */
export const probePgVector: ServerProbe = async (connection, { outbound, signal }) => {
  const { schema, ...server } = pgVectorOptions(connection, outbound, { warn: () => undefined });
  const connections = new PostgresConnections({ ...server, connectTimeoutMs: PATIENCE_MS, statementTimeoutMs: PATIENCE_MS });
  const store = PgVectorStore.over(connections, schema);
  try {
    signal.throwIfAborted();
    const { rows } = await connections.transaction('', (sql) => sql.query<{ server_version: string }>('SHOW server_version'));
    // `17.6 (Debian 17.6-1)`
    const version = requireVersion('PostgreSQL', rows[0]?.server_version.split(' ')[0], OLDEST);
    await store.ping();
    return version;
  } catch (error) {
    throw inOurWords(error);
  } finally {
    await store.close();
  }
};

/** What a server says in an error may be anything. */
function inOurWords(error: unknown): unknown {
  if (!(error instanceof VectorServerFailure) || error.code !== 'unexpected' || error.cause === undefined) return error;
  const isNoDatabase = errorCode(error.cause) === '3D000';
  return new VectorServerFailure('unexpected', isNoDatabase ? 'There is no such database on the server. Check database.' : 'The server does not answer as PostgreSQL does, or not now. Check host and port.', { cause: error });
}
