import { randomBytes } from 'node:crypto';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { StartupError } from '../config/env.js';
import { Config } from '../config/config.js';
import { Transactions } from '../persistence/transactions.js';
import { EmailTaken } from '../users/users.errors.js';
import { UsersService } from '../users/users.service.js';
import { CommonPassword } from './auth.errors.js';
import { RegistrationService } from './registration.service.js';

/** Makes the first administrator where there is none yet. */
@Injectable()
export class FirstAdministrator implements OnApplicationBootstrap {
  private readonly logger = new Logger(FirstAdministrator.name);
  /** Set when a password was made up; shown once by whoever starts the process, and kept nowhere. */
  generatedPassword: string | undefined;

  constructor(
    private readonly config: Config,
    private readonly transactions: Transactions,
    private readonly users: UsersService,
    private readonly registration: RegistrationService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (this.config.env.ROLE === 'worker') return;
    if (await this.transactions.forSystem((tx) => this.users.administratorExists(tx))) return;
    const { ADMIN_EMAIL: email, ADMIN_PASSWORD: configured } = this.config.env;
    const password = configured ?? randomBytes(15).toString('base64url');
    try {
      await this.registration.register({ name: 'Administrator', email, password }, 'ADMIN');
    } catch (error) {
      if (error instanceof CommonPassword) throw new StartupError('ADMIN_PASSWORD is one of the most common passwords. Choose another.');
      // Another process was faster, or somebody registered with the address: neither may be overruled.
      if (!(error instanceof EmailTaken)) throw error;
      this.logger.warn(`no administrator was made: an account with the address ${email} exists already`);
      return;
    }
    if (configured === undefined) this.generatedPassword = password;
  }
}
