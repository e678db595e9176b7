import { Injectable } from '@nestjs/common';
import type { Histogram } from 'prom-client';
import { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import { Metrics } from '../metrics/metrics.js';

/** From a connection that is at hand to the five seconds after which a caller is told that there is none. */
const BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.5, 1, 2.5, 5] as const;

/** The part of node-postgres' pool that says how it is. */
interface Pool {
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
  readonly options: { readonly max: number };
}

/** How the connections to the database are used, for Prometheus: whoever has to wait for one waits in every request. */
@Injectable()
export class PoolMetrics {
  private readonly acquisitions: Histogram;

  constructor(dataSource: DataSource, metrics: Metrics) {
    const pool = (): Pool => (dataSource.driver as PostgresDriver).master as Pool;
    metrics.gaugeBy('morag_db_pool_connections', 'Connections to the database that this process has open, by whether they are in use', 'state', async () => {
      const { totalCount, idleCount } = pool();
      return { busy: totalCount - idleCount, idle: idleCount };
    });
    metrics.gauge('morag_db_pool_limit', 'Connections to the database that this process may have open (DATABASE_POOL)', () => pool().options.max);
    metrics.gauge('morag_db_pool_waiting', 'Transactions of this process that wait for a connection', () => pool().waitingCount);
    this.acquisitions = metrics.histogram('morag_db_pool_acquire_seconds', 'How long transactions waited for their connection, also those that got none', BUCKETS);
  }

  async timeAcquisition<T>(connect: () => Promise<T>): Promise<T> {
    const begunMs = performance.now();
    try {
      return await connect();
    } finally {
      this.acquisitions.observe((performance.now() - begunMs) / 1000);
    }
  }
}
