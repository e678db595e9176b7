import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import type { JobEntity } from './job.entity.js';
import { Queue } from './queue.js';

/** Puts jobs into the queue. The row names the one entry that carries it: an older one, which the queue may still deliver, makes nothing run. */
@Injectable()
export class JobDeliveries {
  constructor(private readonly queue: Queue) {}

  newId(): string {
    return randomUUID();
  }

  /** In the transaction that writes `deliveryId` into the job's row. */
  async send(tx: TenantTx, job: Pick<JobEntity, 'id' | 'type' | 'turn'>, deliveryId: string, delaySeconds = 0): Promise<void> {
    await this.queue.send(tx, job.type, { tenantId: tx.tenantId, jobId: job.id }, tx.tenantId, { id: deliveryId, delaySeconds, priority: -job.turn });
  }
}
