import type { Outbound } from '../../outbound/outbound.js';
import type { ChromaServer } from './chroma.http.js';
import { originOf, type ServerConnection } from './server-connection.js';

export function chromaServer(connection: ServerConnection, outbound: Pick<Outbound, 'fetch'>): ChromaServer {
  const { tenant } = connection.config as { tenant?: string };
  return { url: originOf(connection), apiKey: connection.apiKey ?? undefined, tenant, database: connection.database ?? undefined, outbound };
}
