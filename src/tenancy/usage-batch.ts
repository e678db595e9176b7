import type { Principal } from '../common/principal.js';
import type { EmbeddedAmount } from '../embeddings/embedder.js';
import { LATENCY_BUCKETS, latencyBucket } from './latency-histogram.js';

/** In the place of a key's id, for people who signed in. */
export const NO_KEY = '00000000-0000-0000-0000-000000000000';
const HOUR_MS = 3_600_000;

/** One answered request. */
export interface Call {
  /** Method and pattern, such as `GET /api/v1/documents/:id`. */
  route: string;
  status: number;
  durationMs: number;
  bytesIn: number;
  bytesOut: number;
}

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
  /** Requests by `latencyBucket`. */
  latency: number[];
}

/** What was embedded for a tenant within an hour. */
export interface EmbeddingRow extends EmbeddedAmount {
  tenantId: string;
  /** Start of the hour, ISO 8601. */
  hour: string;
}

/** How often a key was used since the last flush, and when last. */
export interface KeyUse {
  tenantId: string;
  apiKeyId: string;
  requests: number;
  lastUsedAt: Date;
}

export type Caller = Pick<Principal, 'tenantId' | 'apiKeyId'>;

function valueAt<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

/**
 * What is written at once, and only as a whole. Every request counts in it, so it looks up by what is at hand: the number of the hour,
 * the key (of one tenant only) or else the tenant, the route, the class. It grows with the number of those and not with the calls.
 */
export class UsageBatch {
  readonly rows: UsageRow[] = [];
  private readonly hours = new Map<number, Map<string, Map<string, UsageRow[]>>>();
  private readonly embeddings = new Map<string, EmbeddingRow>();
  private readonly uses = new Map<string, KeyUse>();

  /** `sequence` rises from batch to batch of a process. */
  constructor(readonly sequence: number) {}

  get isEmpty(): boolean {
    return this.uses.size === 0 && this.rows.length === 0 && this.embeddings.size === 0;
  }

  get keyUses(): KeyUse[] {
    return [...this.uses.values()];
  }

  get embeddingRows(): EmbeddingRow[] {
    return [...this.embeddings.values()];
  }

  count(caller: Caller, call: Call, now: Date): void {
    const row = this.rowOf(caller, call, Math.floor(now.getTime() / HOUR_MS));
    row.requests += 1;
    row.durationMs += call.durationMs;
    row.bytesIn += call.bytesIn;
    row.bytesOut += call.bytesOut;
    row.latency[latencyBucket(call.durationMs)]! += 1;
    this.touch(caller, now, 1);
  }

  countEmbedding(tenantId: string, { texts, tokens }: EmbeddedAmount, now: Date): void {
    const hour = new Date(Math.floor(now.getTime() / HOUR_MS) * HOUR_MS).toISOString();
    const row = valueAt(this.embeddings, `${tenantId} ${hour}`, () => ({ tenantId, hour, texts: 0, tokens: 0 }));
    row.texts += texts;
    row.tokens += tokens;
  }

  /** Remembers when the key was last used, and for how many requests. */
  touch({ tenantId, apiKeyId }: Caller, now: Date, requests = 0): void {
    if (apiKeyId === null) return;
    const use = valueAt(this.uses, apiKeyId, () => ({ tenantId, apiKeyId, requests: 0, lastUsedAt: now }));
    use.requests += requests;
    use.lastUsedAt = now;
  }

  private rowOf({ tenantId, apiKeyId }: Caller, { route, status }: Call, hour: number): UsageRow {
    const callers = valueAt(this.hours, hour, () => new Map<string, Map<string, UsageRow[]>>());
    const routes = valueAt(callers, apiKeyId ?? tenantId, () => new Map<string, UsageRow[]>());
    const classes = valueAt(routes, route, () => []);
    const statusClass = Math.floor(status / 100);
    return (classes[statusClass] ??= this.addRow({ tenantId, apiKeyId: apiKeyId ?? NO_KEY, route, statusClass, hour: new Date(hour * HOUR_MS).toISOString() }));
  }

  private addRow(fields: Pick<UsageRow, 'tenantId' | 'hour' | 'apiKeyId' | 'route' | 'statusClass'>): UsageRow {
    const row = { ...fields, requests: 0, durationMs: 0, bytesIn: 0, bytesOut: 0, latency: Array.from({ length: LATENCY_BUCKETS }, () => 0) };
    this.rows.push(row);
    return row;
  }
}
