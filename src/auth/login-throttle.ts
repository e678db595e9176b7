import { Injectable } from '@nestjs/common';
import { networkOf } from '../common/ip-ranges.js';
import { sha256 } from '../common/secrets.js';
import { Transactions, type SystemTx } from '../persistence/transactions.js';
import { emailKey } from '../users/users.service.js';
import { TooManyAttempts } from './auth.errors.js';
import { LoginAttemptsRepository, type Attempt } from './login-attempts.repository.js';

const WINDOW_SECONDS = 15 * 60;
/** Before the first try, after one failure, after two …; behind the last one comes the end of the window. */
const PAUSE_SECONDS = [0, 0, 0, 0, 0, 1, 2, 4, 8, 16];

/** Whose password is tried. Hashed, since people type all sorts of things into the field for an address. */
const accountOf = (email: string): string => `account:${sha256(emailKey(email)).toString('hex')}`;
const sourceOf = (address: string): string => `source:${networkOf(address)}`;

/**
 * Slows down whoever guesses passwords: at most ten tries that fail in any 15 minutes for one account and for one source, the later ones
 * with growing pauses, counted by the database for all processes together. Nobody is locked out for longer than that, and whoever is signed
 * in notices nothing.
 */
@Injectable()
export class LoginThrottle {
  constructor(
    private readonly transactions: Transactions,
    private readonly attempts: LoginAttemptsRepository,
  ) {}

  /**
   * Counts a try before it is made, so that many at once are counted, too.
   * @param address where it comes from; left out, only the account is counted
   * @throws TooManyAttempts, and then nothing was counted
   */
  begin(email: string, address?: string): Promise<Attempt[]> {
    const subjects = [accountOf(email), ...(address === undefined ? [] : [sourceOf(address)])];
    return this.transactions.forSystem(async (tx) => {
      const begun: Attempt[] = [];
      for (const subject of subjects) begun.push(await this.take(tx, subject));
      // Last, when it waits for nobody any more.
      await this.attempts.removeOutdated(tx, WINDOW_SECONDS);
      return begun;
    });
  }

  /** The try succeeded: only failures count. Those before it stay, or an attacker with an account could buy tries by signing in. */
  async forgive(attempts: readonly Attempt[]): Promise<void> {
    await this.transactions.forSystem(async (tx) => {
      for (const attempt of attempts) await this.attempts.remove(tx, attempt);
    });
  }

  /** The try failed, and the next ones have to wait for it. */
  async fail(attempts: readonly Attempt[]): Promise<void> {
    await this.transactions.forSystem(async (tx) => {
      for (const attempt of attempts) await this.attempts.markFailed(tx, attempt, WINDOW_SECONDS);
    });
  }

  /** The account is gone, and whoever registers the address next begins anew. */
  forget(tx: SystemTx, email: string): Promise<void> {
    return this.attempts.removeAll(tx, accountOf(email));
  }

  private async take(tx: SystemTx, subject: string): Promise<Attempt> {
    const attempt = await this.attempts.insert(tx, subject, WINDOW_SECONDS, PAUSE_SECONDS);
    if (attempt) return attempt;
    const recent = await this.attempts.recent(tx, subject, WINDOW_SECONDS);
    const { tries = 0, sinceOldestSeconds = 0, failures = 0, sinceLastFailureSeconds = 0 } = recent ?? {};
    const seconds = tries >= PAUSE_SECONDS.length ? WINDOW_SECONDS - sinceOldestSeconds : (PAUSE_SECONDS[failures] ?? 0) - sinceLastFailureSeconds;
    throw new TooManyAttempts(Math.max(1, Math.ceil(seconds)));
  }
}
