import { Logger } from '@nestjs/common';
import type { Outbound } from '../../outbound/outbound.js';
import type { RemoteServerType, ServerConnection } from './server-connection.js';
import type { VectorStore } from './vector-store.js';

type Open = (connection: ServerConnection, outbound: Outbound) => Promise<VectorStore>;

/** One line a kind of server. Each loads its vendor's package when it is used first. */
const OPENERS: Partial<Record<RemoteServerType, Open>> = {
  PGVECTOR: async (connection, outbound) => {
    const [{ PgVectorStore }, { pgVectorOptions }] = await Promise.all([import('./pgvector.store.js'), import('./pgvector.server.js')]);
    return PgVectorStore.open(pgVectorOptions(connection, outbound, new Logger('PgVectorStore')));
  },
};

/** Makes the client; most of them connect only when they are asked something. */
export function openStore(connection: ServerConnection, outbound: Outbound): Promise<VectorStore> {
  const open = OPENERS[connection.type];
  if (!open) throw new TypeError(`no adapter for ${connection.type}`);
  return open(connection, outbound);
}
