import { Injectable } from '@nestjs/common';
import type { SystemTx } from '../persistence/transactions.js';
import type { EmbeddingRow, UsageRow } from './usage-batch.js';

@Injectable()
export class UsageRepository {
  /**
   * Whether the batch is still to be written, and then takes its number; false once the transaction that took it was committed.
   * While that one is still being committed, this waits for it.
   */
  async claimBatch(tx: SystemTx, processId: string, sequence: number): Promise<boolean> {
    const rows = await tx.manager.query<object[]>(
      `INSERT INTO usage_flushes AS f (process_id, sequence, written_at) VALUES ($1, $2, now())
       ON CONFLICT (process_id) DO UPDATE SET sequence = EXCLUDED.sequence, written_at = EXCLUDED.written_at
        WHERE f.sequence < EXCLUDED.sequence RETURNING sequence`,
      [processId, sequence],
    );
    return rows.length === 1;
  }

  /** Adds to what is there, in the order of the keys, so that two processes do not wait for each other in a circle. Rows of a tenant that is gone by now are dropped. */
  async add(tx: SystemTx, rows: readonly UsageRow[]): Promise<void> {
    if (rows.length === 0) return;
    await tx.manager.query(
      `INSERT INTO usage_hourly AS u (tenant_id, hour, api_key_id, route, status_class, requests, duration_ms, bytes_in, bytes_out, latency)
       SELECT n."tenantId", n.hour, n."apiKeyId", n.route, n."statusClass", n.requests, n."durationMs", n."bytesIn", n."bytesOut", n.latency
         FROM jsonb_to_recordset($1::jsonb) AS n ("tenantId" uuid, hour timestamptz, "apiKeyId" uuid, route text, "statusClass" smallint,
              requests bigint, "durationMs" float8, "bytesIn" bigint, "bytesOut" bigint, latency bigint[])
         JOIN tenants t ON t.id = n."tenantId"
        ORDER BY 1, 2, 3, 4, 5
       ON CONFLICT (tenant_id, hour, api_key_id, route, status_class) DO UPDATE SET requests = u.requests + EXCLUDED.requests,
              duration_ms = u.duration_ms + EXCLUDED.duration_ms, bytes_in = u.bytes_in + EXCLUDED.bytes_in, bytes_out = u.bytes_out + EXCLUDED.bytes_out,
              latency = add_histograms(u.latency, EXCLUDED.latency)`,
      [JSON.stringify(rows)],
    );
  }

  /** As `add`. */
  async addEmbeddings(tx: SystemTx, rows: readonly EmbeddingRow[]): Promise<void> {
    if (rows.length === 0) return;
    await tx.manager.query(
      `INSERT INTO embedding_usage AS u (tenant_id, hour, texts, tokens)
       SELECT n."tenantId", n.hour, n.texts, n.tokens
         FROM jsonb_to_recordset($1::jsonb) AS n ("tenantId" uuid, hour timestamptz, texts bigint, tokens bigint)
         JOIN tenants t ON t.id = n."tenantId"
        ORDER BY 1, 2
       ON CONFLICT (tenant_id, hour) DO UPDATE SET texts = u.texts + EXCLUDED.texts, tokens = u.tokens + EXCLUDED.tokens`,
      [JSON.stringify(rows)],
    );
  }
}
