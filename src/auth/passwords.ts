import { Injectable } from '@nestjs/common';
import { hash, verify, type Options } from '@node-rs/argon2';
import pLimit, { type LimitFunction } from 'p-limit';
import { HashingBusy } from './auth.errors.js';

/** The library's `Algorithm.Argon2id`, a const enum that cannot be imported one file at a time. */
const ARGON2ID = 2;
const [MEMORY_KIB, PASSES, LANES] = [19 * 1024, 2, 1];
/** OWASP's second choice for argon2id: 19 MiB, two passes, one lane. */
const PARAMETERS: Options = { algorithm: ARGON2ID, memoryCost: MEMORY_KIB, timeCost: PASSES, parallelism: LANES };
/** As the PHC string of a hash begins that was made with these. */
const PRESENT = `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$`;
/** Half of libuv's threads, so that files are still read while people sign in. */
const AT_ONCE = 2;
const MAX_WAITING = 100;
/** New passwords wait in a queue of their own, or a flood of registrations would keep everybody from signing in. */
const NEW_AT_ONCE = 1;

function bounded<T>(limit: LimitFunction, work: () => Promise<T>): Promise<T> {
  if (limit.pendingCount >= MAX_WAITING) throw new HashingBusy();
  return limit(work);
}

/** Hashes and checks passwords exactly as received, a bounded number at once. */
@Injectable()
export class Passwords {
  private readonly checks = pLimit(AT_ONCE);
  private readonly additions = pLimit(NEW_AT_ONCE);
  private readonly nobodysHash: Promise<string> = hash('no account has this password', PARAMETERS);

  hash(password: string): Promise<string> {
    return bounded(this.additions, () => hash(password, PARAMETERS));
  }

  /** Whether a hash was made with other parameters than ours are now, and should be made anew at the next chance. */
  isOutdated(stored: string): boolean {
    return !stored.startsWith(PRESENT);
  }

  /**
   * Spends the same time when there is no hash to compare with, so that time does not tell whether an account exists. Call it within
   * `inTurn`.
   */
  async matches(stored: string | undefined, password: string): Promise<boolean> {
    const matches = await verify(stored ?? (await this.nobodysHash), password);
    return matches && stored !== undefined;
  }

  /**
   * Runs what checks a password when its turn comes; of all that belongs to an attempt, so that no more of them are under way than may be hashed for.
   * @throws HashingBusy when too many wait already
   */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    return bounded(this.checks, work);
  }
}
