import { Injectable, Logger } from '@nestjs/common';
import { errorMessage } from '../../common/error-code.js';
import { within } from '../../common/within.js';
import { Transactions } from '../../persistence/transactions.js';
import type { DatabaseServerEntity } from '../servers/database-server.entity.js';
import { DatabaseServersRepository } from '../servers/database-servers.repository.js';
import type { VectorStore } from '../vector-stores/vector-store.js';
import { VectorStores } from './vector-stores.service.js';

/** A server that does not answer must not keep its tenant from being removed for ever. */
const PATIENCE_MS = 30_000;

/** Every collection that a tenant has anywhere, for its end. */
@Injectable()
export class TenantCollections {
  private readonly logger = new Logger(TenantCollections.name);

  constructor(
    private readonly transactions: Transactions,
    private readonly servers: DatabaseServersRepository,
    private readonly stores: VectorStores,
  ) {}

  /** Drops what begins with any of these; on the tenant's own servers as far as they answer, for the data there is the tenant's own. */
  async drop(tenantId: string, prefixes: readonly string[]): Promise<void> {
    await dropAll(this.stores.embedded, prefixes);
    const remote = await this.transactions.forTenant(tenantId, (tx) => this.servers.listRemote(tx));
    for (const server of remote) await this.dropOn(server, prefixes);
  }

  private async dropOn(server: DatabaseServerEntity, prefixes: readonly string[]): Promise<void> {
    try {
      const store = await this.stores.ofServer(server);
      await within(PATIENCE_MS, dropAll(store, prefixes));
    } catch (error) {
      this.logger.warn(`Collections of the tenant ${server.tenantId} stay on its ${server.type} server ${server.id}, which does not answer: ${errorMessage(error)}`);
    }
  }
}

/** Until there is none: one may have come back while the others were dropped. */
async function dropAll(store: VectorStore, prefixes: readonly string[]): Promise<void> {
  for (const prefix of prefixes) while ((await store.dropCollections(prefix)) > 0);
}
