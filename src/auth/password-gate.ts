import { Injectable } from '@nestjs/common';
import type { UserEntity } from '../users/user.entity.js';
import { LoginThrottle } from './login-throttle.js';
import { Passwords } from './passwords.js';

export interface PasswordAttempt {
  email: string;
  password: string;
  /** Where it comes from; left out, only tries for the account are counted. */
  address?: string;
}

/** Where every password is checked: a bounded number at once, each counted before it is tried. */
@Injectable()
export class PasswordGate {
  constructor(
    private readonly passwords: Passwords,
    private readonly throttle: LoginThrottle,
  ) {}

  /**
   * The account, or null when there is none, it is deactivated or the password is wrong: all after the same work.
   * @throws TooManyAttempts, HashingBusy
   */
  pass({ email, password, address }: PasswordAttempt, find: () => Promise<UserEntity | null>): Promise<UserEntity | null> {
    return this.passwords.inTurn(async () => {
      const attempts = await this.throttle.begin(email, address);
      const user = await find();
      const matches = await this.passwords.matches(user?.passwordHash, password);
      if (!user?.isActive || !matches) {
        await this.throttle.fail(attempts);
        return null;
      }
      await this.throttle.forgive(attempts);
      return user;
    });
  }

  hash(password: string): Promise<string> {
    return this.passwords.hash(password);
  }

  /** The hash to store instead, where the one on record was made with weaker parameters than today's. */
  async rehash({ passwordHash }: UserEntity, password: string): Promise<string | undefined> {
    return this.passwords.isOutdated(passwordHash) ? this.passwords.hash(password) : undefined;
  }
}
