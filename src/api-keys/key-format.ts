import { hasValidChecksum, randomWithChecksum, sha256 } from '../common/secrets.js';
import type { Environment } from './api-key.entity.js';

const FORMAT = /^mk_(?:live|test)_([0-9A-Za-z]{32})([0-9A-Za-z]{6})$/;
const DISPLAYED_CHARACTERS = 12;

export interface MintedKey {
  secret: string;
  hash: Buffer;
  prefix: string;
}

/** A new key: 190 random bits and a checksum over them. */
export function mintKey(environment: Environment): MintedKey {
  const secret = `mk_${environment}_${randomWithChecksum()}`;
  return { secret, hash: sha256(secret), prefix: secret.slice(0, DISPLAYED_CHARACTERS) };
}

/** Tells a typo from a key without asking the database. */
export function isWellFormedKey(text: string): boolean {
  return hasValidChecksum(text, FORMAT);
}
