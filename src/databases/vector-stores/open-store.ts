import { Logger } from '@nestjs/common';
import type { Outbound } from '../../outbound/outbound.js';
import { chromaServer } from './chroma.server.js';
import { ChromaStore } from './chroma.store.js';
import { pgVectorOptions } from './pgvector.server.js';
import { PgVectorStore } from './pgvector.store.js';
import type { RemoteServerType, ServerConnection } from './server-connection.js';
import type { VectorStore } from './vector-store.js';

/** What a store needs of it. */
export type StoreOutbound = Pick<Outbound, 'fetch' | 'checkedAddresses'>;

type Open = (connection: ServerConnection, outbound: StoreOutbound) => Promise<VectorStore>;

/** One line a kind of server. */
const OPENERS: Partial<Record<RemoteServerType, Open>> = {
  CHROMA: (connection, outbound) => ChromaStore.open(chromaServer(connection, outbound)),
  PGVECTOR: (connection, outbound) => PgVectorStore.open(pgVectorOptions(connection, outbound, new Logger('PgVectorStore'))),
};

/** Makes the client; most of them connect only when they are asked something. */
export function openStore(connection: ServerConnection, outbound: StoreOutbound): Promise<VectorStore> {
  const open = OPENERS[connection.type];
  if (!open) throw new TypeError(`no adapter for ${connection.type}`);
  return open(connection, outbound);
}
