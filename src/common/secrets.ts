import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** The largest multiple of 62 that fits a byte; bytes above it would make some characters likelier. */
const UNBIASED = 248;

/** `length` characters, each drawn uniformly from base62 (rejection sampling). */
export function randomBase62(length: number): string {
  let out = '';
  while (out.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < UNBIASED && out.length < length) out += BASE62[byte % 62];
    }
  }
  return out;
}

/** CRC-32 of the text as six base62 digits: the checksum that GitHub puts behind its tokens. */
export function checksum62(text: string): string {
  let rest = crc32(text);
  let out = '';
  for (let digit = 0; digit < 6; digit++) {
    out = `${BASE62[rest % 62]}${out}`;
    rest = Math.floor(rest / 62);
  }
  return out;
}

/** What follows the prefix of every secret of ours: 190 random bits in 32 characters, and a checksum over them. */
export function randomWithChecksum(): string {
  const random = randomBase62(32);
  return `${random}${checksum62(random)}`;
}

/** Tells a typo without asking the database. @param format captures the random part and the checksum */
export function hasValidChecksum(text: string, format: RegExp): boolean {
  const [, random, checksum] = format.exec(text) ?? [];
  return random !== undefined && checksum62(random) === checksum;
}

/** In hexadecimal: several times as fast as bytes, which have to be allocated. */
export function sha256Hex(text: string): string {
  return hash('sha256', text, 'hex');
}

export function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}
