import { createHash } from 'node:crypto';

/** An entry with its link, each value as PostgreSQL writes it. */
export interface LinkedEntry {
  sequence: string;
  entryId: string;
  detailsDigest: Buffer;
  hash: Buffer;
  /** Null when there is no such entry. */
  entry: StoredEntry | null;
}

export interface StoredEntry {
  tenantId: string;
  id: string;
  /** Milliseconds since the epoch. */
  createdAt: string;
  actorType: string;
  actorId: string | null;
  apiKeyId: string | null;
  action: string;
  targetType: string;
  targetId: string | null;
  result: string;
  requestId: string | null;
  targetName: string | null;
  ip: string | null;
  userAgent: string | null;
  changes: string | null;
  /** Null when the four before it are erased. */
  salt: Buffer | null;
}

/** What the first link of a chain follows. */
export const NO_HASH = Buffer.alloc(32);

/** Two different lists of fields are never one text: each says how long it is, and what is missing is not what is empty. */
function textOf(fields: readonly (string | null)[]): Buffer {
  return Buffer.from(fields.map((field) => (field === null ? '-' : `${Buffer.byteLength(field)}:${field}`)).join(','));
}

const sha256 = (...parts: Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

/** Of what can be erased. Salted, since names and addresses can be guessed. */
export function detailsDigestOf({ salt, targetName, ip, userAgent, changes }: StoredEntry): Buffer {
  return sha256(salt!, textOf([targetName, ip, userAgent, changes]));
}

/** SHA-256 over the hash before, the digest of what can be erased, the place in the chain and everything else. */
export function hashOf(previous: Buffer, { sequence, detailsDigest }: Pick<LinkedEntry, 'sequence' | 'detailsDigest'>, entry: StoredEntry): Buffer {
  const { tenantId, id, createdAt, actorType, actorId, apiKeyId, action, targetType, targetId, result, requestId } = entry;
  return sha256(previous, detailsDigest, textOf([sequence, tenantId, id, createdAt, actorType, actorId, apiKeyId, action, targetType, targetId, result, requestId]));
}
