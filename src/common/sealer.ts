import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const KEY_ID_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The key is gone or another, or the value was moved or changed. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken';
}

/**
 * Seals secrets that must be recovered, with AES-256-GCM (NIST SP 800-38D): key id (4 bytes), nonce (12), tag (16), ciphertext.
 * The place a secret belongs to is authenticated with it, so that nobody can move it into another row.
 */
export class Sealer {
  private readonly keys = new Map<string, Buffer>();
  private readonly current: Buffer;

  /** @param secrets the first one seals, all open */
  constructor(secrets: readonly [string, ...string[]]) {
    // A key of its own for this purpose, as for list cursors.
    const derived = secrets.map((secret) => createHmac('sha256', secret).update('sealing').digest());
    for (const key of derived.toReversed()) this.keys.set(idOf(key).toString('hex'), key);
    this.current = derived[0]!;
  }

  /** Of the keys that open, the one that seals first: they tell which keys somebody has, and nothing about them. */
  get keyIds(): string[] {
    return [...this.keys.keys()].toReversed();
  }

  /** @param place what it belongs to, such as `database_servers/{id}/password` */
  seal(secret: string, place: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.current, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(place));
    const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
    return Buffer.concat([idOf(this.current), nonce, cipher.getAuthTag(), sealed]);
  }

  /** @throws SealBroken */
  open(sealed: Buffer, place: string): string {
    const key = this.keys.get(sealed.subarray(0, KEY_ID_BYTES).toString('hex'));
    if (!key || sealed.length < KEY_ID_BYTES + NONCE_BYTES + TAG_BYTES) throw new SealBroken(`What is sealed at ${place} was sealed with a key that is not configured.`);
    const nonce = sealed.subarray(KEY_ID_BYTES, KEY_ID_BYTES + NONCE_BYTES);
    const body = sealed.subarray(KEY_ID_BYTES + NONCE_BYTES + TAG_BYTES);
    const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(place))
      .setAuthTag(sealed.subarray(KEY_ID_BYTES + NONCE_BYTES, KEY_ID_BYTES + NONCE_BYTES + TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
    } catch (error) {
      throw new SealBroken(`What is sealed at ${place} was changed, or belongs elsewhere.`, { cause: error });
    }
  }
}

/** Tells which key sealed something, and nothing about the key. */
function idOf(key: Buffer): Buffer {
  return createHash('sha256').update('key id').update(key).digest().subarray(0, KEY_ID_BYTES);
}
