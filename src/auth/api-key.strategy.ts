import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { HeaderAPIKeyStrategy } from 'passport-headerapikey';
import { ApiKeyVerifier } from '../api-keys/api-key-verifier.js';
import type { AuthenticatedRequest, Principal } from '../common/principal.js';

const HEADER = 'x-api-key';

/** How a strategy of passport's says what it found. */
interface Outcome {
  success(principal: Principal): void;
  fail(): void;
  error(error: unknown): void;
}

/** Identifies the program behind `X-API-Key: mk_…`. */
@Injectable()
export class ApiKeyStrategy extends PassportStrategy(HeaderAPIKeyStrategy, 'api-key') {
  constructor(private readonly verifier: ApiKeyVerifier) {
    super({ header: HEADER, prefix: '' }, false);
  }

  /** As the package does it, but for the regular expression that it builds of the prefix, which is empty, on every request. */
  override authenticate(this: this & Outcome, request: Pick<FastifyRequest, 'headers'> & Pick<AuthenticatedRequest, 'refused'>): void {
    const key = request.headers[HEADER];
    if (typeof key !== 'string' || key === '') return this.fail();
    this.validate(key, request).then(
      (principal) => (principal ? this.success(principal) : this.fail()),
      (error: unknown) => this.error(error),
    );
  }

  async validate(key: string, request: Pick<AuthenticatedRequest, 'refused'>): Promise<Principal | null> {
    const { accepted, refused } = await this.verifier.verify(key);
    if (refused) request.refused = refused;
    return accepted;
  }
}
