import type { Outbound } from '../../outbound/outbound.js';
import type { QdrantServer } from './qdrant.http.js';
import { originOf, type ServerConnection } from './server-connection.js';

export function qdrantServer(connection: ServerConnection, outbound: Pick<Outbound, 'fetch'>): QdrantServer {
  return { url: originOf(connection), apiKey: connection.apiKey ?? undefined, outbound };
}
