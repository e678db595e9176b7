import { Injectable } from '@nestjs/common';
import { hash, verify, type Options } from '@node-rs/argon2';
import pLimit from 'p-limit';
import { HashingBusy } from './auth.errors.js';

/** The library's `Algorithm.Argon2id`, a const enum that cannot be imported one file at a time. */
const ARGON2ID = 2;
/** OWASP's second choice for argon2id: 19 MiB, two passes, one lane. */
const PARAMETERS: Options = { algorithm: ARGON2ID, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };
/** Half of libuv's threads, so that files are still read while people sign in. */
const AT_ONCE = 2;
const MAX_WAITING = 100;

/** Hashes and checks passwords exactly as received, a bounded number at once. */
@Injectable()
export class Passwords {
  private readonly limit = pLimit(AT_ONCE);
  private readonly nobodysHash: Promise<string> = hash('no account has this password', PARAMETERS);

  hash(password: string): Promise<string> {
    return this.bounded(() => hash(password, PARAMETERS));
  }

  /** Spends the same time when there is no hash to compare with, so that time does not tell whether an account exists. */
  verify(stored: string | undefined, password: string): Promise<boolean> {
    return this.bounded(async () => {
      const matches = await verify(stored ?? (await this.nobodysHash), password);
      return matches && stored !== undefined;
    });
  }

  private bounded<T>(work: () => Promise<T>): Promise<T> {
    if (this.limit.pendingCount >= MAX_WAITING) throw new HashingBusy();
    return this.limit(work);
  }
}
