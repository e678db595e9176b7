import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';

/** What is in databases, as the module that puts it there can tell and change it. */
export interface DatabaseContents {
  /** Documents that have vectors. */
  count(tx: TenantTx, databaseId: string): Promise<number>;
  /** Queues the work of a reindex. */
  scheduleReindex(tx: TenantTx, reindexId: string): Promise<void>;
  /** Queues the removal of all that is in a database that was hidden. */
  scheduleRemoval(tx: TenantTx, databaseId: string): Promise<void>;
  /** Begins with that removal at once, for some seconds. */
  removeSome(tenantId: string, databaseId: string): Promise<void>;
}

/** Where the module above leaves it: databases know nothing of documents. */
@Injectable()
export class DatabaseContentsHolder {
  private contents: DatabaseContents | undefined;

  register(contents: DatabaseContents): void {
    this.contents = contents;
  }

  get(): DatabaseContents {
    if (!this.contents) throw new Error('nobody has registered what databases contain');
    return this.contents;
  }
}
