import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Sealer } from '../../common/sealer.js';
import { Outbound } from '../../outbound/outbound.js';
import { Transactions } from '../../persistence/transactions.js';
import type { DatabaseServerEntity, ServerType } from '../servers/database-server.entity.js';
import { DatabaseServersRepository } from '../servers/database-servers.repository.js';
import { DatabaseServerInactive, DatabaseServerNotFound } from '../databases.errors.js';
import { openedSecrets } from '../servers/server-secrets.js';
import { openStore } from '../vector-stores/open-store.js';
import type { RemoteServerType, ServerConnection } from '../vector-stores/server-connection.js';
import { VectorStore } from '../vector-stores/vector-store.js';

const MOST_KEPT = 200;
/** Longer than any request of a store that is not used any more. */
const CLOSE_AFTER_MS = 120_000;

export interface ServerReference {
  tenantId: string;
  serverId: string;
  serverType: ServerType;
}

/** The store behind each server: one in this process, and a client for each of the others. */
@Injectable()
export class VectorStores {
  private readonly opened = new LRUCache<string, Promise<VectorStore>>({ max: MOST_KEPT, dispose: (store) => void closeLater(store) });

  constructor(
    readonly embedded: VectorStore,
    private readonly transactions: Transactions,
    private readonly servers: DatabaseServersRepository,
    private readonly sealer: Sealer,
    private readonly outbound: Outbound,
  ) {}

  /** Reads how the server is reached each time, so that a change of it holds at once in every process. @throws DatabaseServerNotFound, DatabaseServerInactive */
  async of({ tenantId, serverId, serverType }: ServerReference): Promise<VectorStore> {
    if (serverType === 'EMBEDDED') return this.embedded;
    const server = await this.transactions.forTenant(tenantId, (tx) => this.servers.findById(tx, serverId));
    if (!server) throw new DatabaseServerNotFound();
    if (!server.isActive) throw new DatabaseServerInactive(server.name);
    return this.ofServer(server);
  }

  async ofServer(server: DatabaseServerEntity): Promise<VectorStore> {
    if (server.type === 'EMBEDDED') return this.embedded;
    const key = `${server.tenantId}/${server.id}/${server.revision}`;
    const known = this.opened.get(key);
    if (known) return known;
    const opening = openStore(this.connectionOf(server, server.type), this.outbound);
    this.opened.set(key, opening);
    opening.catch(() => this.opened.delete(key));
    return opening;
  }

  async close(): Promise<void> {
    await Promise.all([this.embedded.close(), ...[...this.opened.values()].map(async (store) => (await store).close())]);
  }

  /** @throws DatabaseServerSecretUnreadable */
  private connectionOf(server: DatabaseServerEntity, type: RemoteServerType): ServerConnection {
    const { id, host, port, username, database, config } = server;
    if (host === null) throw new TypeError(`the server ${id} has no host`);
    return { type, host, port, username, database, config, ...openedSecrets(this.sealer, server) };
  }
}

async function closeLater(opening: Promise<VectorStore>): Promise<void> {
  const store = await opening.catch(() => undefined);
  if (store) setTimeout(() => void store.close().catch(() => undefined), CLOSE_AFTER_MS).unref();
}
