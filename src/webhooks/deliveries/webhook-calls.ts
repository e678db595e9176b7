import { Injectable } from '@nestjs/common';
import { Sealer, SealBroken } from '../../common/sealer.js';
import { UrlNotAllowed, UrlTimedOut } from '../../outbound/outbound.errors.js';
import { Outbound } from '../../outbound/outbound.js';
import { retryAfterSeconds } from '../../outbound/retry-after.js';
import { signatureHeaders } from '../signing/signature.js';
import { opened, type SealedSecrets, type SecretsPlace } from '../signing/sealed-secrets.js';
import type { Envelope } from './message.js';

const TOTAL_TIMEOUT_MS = 15_000;
const RESPONSE_BYTES = 1024;
/** Statuses with which an endpoint may say how long it wants to be left alone (RFC 9110). */
const MAY_ASK_FOR_PATIENCE = new Set([429, 503]);
const GONE = 410;

export const CALL_FAILURES = ['status', 'redirect', 'gone', 'unreachable', 'timed_out', 'secret_unreadable'] as const;
export type CallFailure = (typeof CALL_FAILURES)[number];

export interface Call {
  url: string;
  messageId: string;
  envelope: Envelope;
  secretsPlace: SecretsPlace;
  secrets: SealedSecrets;
}

/** What came of one attempt. */
export interface CallOutcome {
  startedAt: Date;
  durationMs: number;
  /** Null when nothing was answered. */
  statusCode: number | null;
  /** Null is success. */
  error: CallFailure | null;
  /** The beginning of what was answered, null when nothing was. */
  response: string | null;
  /** Seconds that the endpoint asked to be left alone. */
  retryAfter: number | undefined;
}

function failureOf(status: number): CallFailure | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400) return 'redirect';
  return status === GONE ? 'gone' : 'status';
}

/** Signs a message and posts it, once. */
@Injectable()
export class WebhookCalls {
  constructor(
    private readonly outbound: Outbound,
    private readonly sealer: Sealer,
  ) {}

  /** Any answer of 2xx within 15 seconds is success; redirects are not followed. @throws the reason of `signal` */
  async call(call: Call, signal: AbortSignal): Promise<CallOutcome> {
    const startedAt = new Date();
    const began = performance.now();
    const answer = await this.post(call, signal);
    return { startedAt, durationMs: Math.round(performance.now() - began), ...answer };
  }

  private async post({ url, messageId, envelope, secretsPlace, secrets }: Call, signal: AbortSignal): Promise<Omit<CallOutcome, 'startedAt' | 'durationMs'>> {
    const body = JSON.stringify(envelope);
    try {
      const signature = signatureHeaders(opened(this.sealer, secretsPlace, secrets), { id: messageId, timestamp: Math.floor(Date.now() / 1000), body });
      const headers = { 'content-type': 'application/json', 'user-agent': 'MoRAG-Server', ...signature };
      const response = await this.outbound.fetch(url, { method: 'POST', headers, body, signal, totalTimeoutMs: TOTAL_TIMEOUT_MS });
      const retryAfter = MAY_ASK_FOR_PATIENCE.has(response.status) ? retryAfterSeconds(response.headers) : undefined;
      return { statusCode: response.status, error: failureOf(response.status), response: await beginningOf(response, signal), retryAfter };
    } catch (error) {
      signal.throwIfAborted();
      return { statusCode: null, error: failureThrown(error), response: null, retryAfter: undefined };
    }
  }
}

function failureThrown(error: unknown): CallFailure {
  if (error instanceof UrlTimedOut) return 'timed_out';
  if (error instanceof UrlNotAllowed) return 'unreachable';
  if (error instanceof SealBroken) return 'secret_unreadable';
  throw error;
}

/** As text that PostgreSQL can hold. An answer that breaks off, cannot be unpacked or takes too long has said its status before. @throws the reason of `signal` */
async function beginningOf(response: Response, signal: AbortSignal): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of response.body ?? []) {
      parts.push(part);
      bytes += part.byteLength;
      // Leaving the loop cancels the rest.
      if (bytes >= RESPONSE_BYTES) break;
    }
  } catch {
    signal.throwIfAborted();
  }
  return Buffer.concat(parts).subarray(0, RESPONSE_BYTES).toString('utf8').replaceAll('\0', '\uFFFD');
}
