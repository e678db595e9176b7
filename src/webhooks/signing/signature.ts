import { createHmac, randomBytes } from 'node:crypto';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;

export interface SignedMessage {
  /** Constant over all attempts. */
  id: string;
  /** Seconds since the epoch, of the attempt. */
  timestamp: number;
  body: string;
}

/** Between 24 and 64 random bytes, as Standard Webhooks asks for. */
export const newSecret = (): string => `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64')}`;

/**
 * The headers of a message, after Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md):
 * HMAC-SHA-256 over id, timestamp and body, once for each secret that is good at the moment.
 */
export function signatureHeaders(secrets: readonly string[], { id, timestamp, body }: SignedMessage): Record<string, string> {
  const signed = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(PREFIX.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signed.join(' ') };
}
