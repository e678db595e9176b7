import { Injectable } from '@nestjs/common';
import { Transactions } from '../persistence/transactions.js';
import { QueueMonitorRepository } from './queue-monitor.repository.js';
import type { JobCounts, QueueDepth, QueueProcess } from './queue-state.js';

/** How the work of the installation is going, for its operator. */
@Injectable()
export class QueueMonitor {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: QueueMonitorRepository,
  ) {}

  depths(): Promise<QueueDepth[]> {
    return this.transactions.forSystem((tx) => this.repository.listDepths(tx));
  }

  async workers(): Promise<QueueProcess[]> {
    const processes = await this.transactions.forSystem((tx) => this.repository.listProcesses(tx));
    return processes.filter(({ role }) => role === 'worker');
  }

  jobs(): Promise<JobCounts> {
    return this.transactions.forSystem((tx) => this.repository.countJobs(tx));
  }
}
