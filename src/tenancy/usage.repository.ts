import { Injectable } from '@nestjs/common';
import type { SystemTx } from '../persistence/transactions.js';

/** Calls that have everything but their number in common. */
export interface UsageRow {
  tenantId: string;
  /** Start of the hour, ISO 8601. */
  hour: string;
  /** All zeros for people who signed in. */
  apiKeyId: string;
  route: string;
  statusClass: number;
  requests: number;
  durationMs: number;
  bytesIn: number;
  bytesOut: number;
}

@Injectable()
export class UsageRepository {
  /** Adds to what is there. Rows of a tenant that is gone by now are dropped. */
  async add(tx: SystemTx, rows: readonly UsageRow[]): Promise<void> {
    await tx.manager.query(
      `INSERT INTO usage_hourly AS u (tenant_id, hour, api_key_id, route, status_class, requests, duration_ms, bytes_in, bytes_out)
       SELECT n."tenantId", n.hour, n."apiKeyId", n.route, n."statusClass", n.requests, n."durationMs", n."bytesIn", n."bytesOut"
         FROM jsonb_to_recordset($1::jsonb) AS n ("tenantId" uuid, hour timestamptz, "apiKeyId" uuid, route text, "statusClass" smallint,
              requests bigint, "durationMs" float8, "bytesIn" bigint, "bytesOut" bigint)
         JOIN tenants t ON t.id = n."tenantId"
        ORDER BY 1, 2, 3, 4, 5
       ON CONFLICT (tenant_id, hour, api_key_id, route, status_class) DO UPDATE SET requests = u.requests + EXCLUDED.requests,
              duration_ms = u.duration_ms + EXCLUDED.duration_ms, bytes_in = u.bytes_in + EXCLUDED.bytes_in, bytes_out = u.bytes_out + EXCLUDED.bytes_out`,
      [JSON.stringify(rows)],
    );
  }
}
