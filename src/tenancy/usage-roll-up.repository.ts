import { Injectable } from '@nestjs/common';
import type { SystemTx } from '../persistence/transactions.js';
import { KEPT_DAYS } from './usage-range.js';

/** Times are told by the database's clock and in UTC. */
@Injectable()
export class UsageRollUpRepository {
  /** Midnight before the oldest hour, when the whole day lies further back than hours are kept; null when there is none. */
  async findOldestDay(tx: SystemTx): Promise<Date | null> {
    const rows = await tx.manager.query<{ day: Date | null }[]>(
      `SELECT date_trunc('day', min(hour), 'UTC') AS day FROM usage_hourly WHERE hour < date_trunc('day', now() - make_interval(hours => 24 * $1), 'UTC')`,
      [KEPT_DAYS.hour],
    );
    return rows[0]?.day ?? null;
  }

  /** Moves the hours of a day into the sums of that day, adding to what is there: in one statement, so that every call is in one of the two at any moment. */
  async moveDay(tx: SystemTx, day: Date): Promise<void> {
    await tx.manager.query(
      `WITH moved AS (DELETE FROM usage_hourly WHERE hour >= $1 AND hour < $1::timestamptz + interval '24 hours' RETURNING *)
       INSERT INTO usage_daily AS d (tenant_id, day, api_key_id, route, status_class, requests, duration_ms, bytes_in, bytes_out, latency)
       SELECT tenant_id, (hour AT TIME ZONE 'UTC')::date, api_key_id, route, status_class, sum(requests), sum(duration_ms), sum(bytes_in), sum(bytes_out), sum_histograms(latency)
         FROM moved GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
       ON CONFLICT (tenant_id, day, api_key_id, route, status_class) DO UPDATE SET requests = d.requests + EXCLUDED.requests,
              duration_ms = d.duration_ms + EXCLUDED.duration_ms, bytes_in = d.bytes_in + EXCLUDED.bytes_in, bytes_out = d.bytes_out + EXCLUDED.bytes_out,
              latency = add_histograms(d.latency, EXCLUDED.latency)`,
      [day],
    );
  }

  /** Forgets processes that have written nothing for a week. One that was only idle takes a new number with its next batch. */
  async forgetProcesses(tx: SystemTx): Promise<void> {
    await tx.manager.query(`DELETE FROM usage_flushes WHERE written_at < now() - interval '7 days'`);
  }
}
