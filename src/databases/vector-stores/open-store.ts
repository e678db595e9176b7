import { Logger } from '@nestjs/common';
import type { Outbound } from '../../outbound/outbound.js';
import { ChromaStore } from './chroma.store.js';
import { PgVectorStore } from './pgvector.store.js';
import { QdrantStore } from './qdrant.store.js';
import { originOf, portOf, type RemoteServerType, type ServerConfig, type ServerConnection } from './server-connection.js';
import type { VectorStore } from './vector-store.js';

/** What a store needs of it. */
export type StoreOutbound = Pick<Outbound, 'fetch' | 'checkedAddresses'>;

type Open = (connection: ServerConnection, config: ServerConfig, outbound: StoreOutbound) => Promise<VectorStore>;

/** Which every PostgreSQL server has from the start. The database is not called like the user, as PostgreSQL's own clients have it: another user must not lead to another place. */
const [STANDARD_USER, STANDARD_DATABASE] = ['postgres', 'postgres'];

/** One entry a kind of server. */
const OPENERS: Readonly<Record<RemoteServerType, Open>> = {
  QDRANT: (connection, { partitioned }, outbound) => QdrantStore.open({ url: originOf(connection), apiKey: connection.apiKey ?? undefined, partitioned, outbound }),
  CHROMA: (connection, { tenant }, outbound) =>
    ChromaStore.open({ url: originOf(connection), apiKey: connection.apiKey ?? undefined, tenant, database: connection.database ?? undefined, outbound }),
  PGVECTOR: (connection, { tls, schema }, outbound) => {
    const { host, username, password, database } = connection;
    return PgVectorStore.open({
      host,
      port: portOf(connection),
      user: username ?? STANDARD_USER,
      password: password ?? undefined,
      database: database ?? STANDARD_DATABASE,
      tls,
      schema,
      outbound,
      logger: new Logger('PgVectorStore'),
    });
  },
};

/** Makes the client, which connects only when it is asked something. */
export function openStore(connection: ServerConnection, outbound: StoreOutbound): Promise<VectorStore> {
  return OPENERS[connection.type](connection, connection.config, outbound);
}
