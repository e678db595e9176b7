import { MalformedIdempotencyKey } from './idempotency.errors.js';

const MAX_CHARS = 255;
/** An sf-string (RFC 9651, §3.3.3): printable ASCII in quotes, in which a quote and a backslash are escaped. */
const QUOTED = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/;
/** Visible ASCII without a quote: what most clients send. No space either, which is how a header that was sent twice shows. */
const BARE = /^[!#-~]+$/;

/** The key that a header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) carries, the same quoted or bare. @throws MalformedIdempotencyKey */
export function readIdempotencyKey(header: string): string {
  const text = header.trim();
  const key = QUOTED.exec(text)?.[1]?.replaceAll(/\\(["\\])/g, '$1') ?? (BARE.test(text) ? text : '');
  if (key.length === 0 || key.length > MAX_CHARS) throw new MalformedIdempotencyKey(MAX_CHARS);
  return key;
}
