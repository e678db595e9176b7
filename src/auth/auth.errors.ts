import { AppError } from '../common/errors.js';
import { ServiceUnavailable, ValidationFailed } from '../common/request-errors.js';
import type { Role } from '../common/principal.js';

/** RFC 6750, section 3. */
const CHALLENGE = 'Bearer realm="morag"';

export class Unauthenticated extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'unauthenticated',
      title: 'Credential required',
      detail: 'Send an API key as "X-API-Key: mk_…" or an access token as "Authorization: Bearer …".',
      headers: { 'WWW-Authenticate': CHALLENGE },
    });
  }
}

/** One answer for every bad credential, so that it tells nothing about which part was wrong. */
export class InvalidCredentials extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'invalid_credentials',
      title: 'Invalid credentials',
      detail: 'The credential is unknown, malformed, expired, disabled or revoked.',
      headers: { 'WWW-Authenticate': `${CHALLENGE}, error="invalid_token"` },
    });
  }
}

export class AmbiguousCredentials extends AppError {
  constructor() {
    super({
      status: 400,
      code: 'ambiguous_credentials',
      title: 'Two credentials',
      detail: 'Send either X-API-Key or Authorization, not both.',
    });
  }
}

export class ForbiddenRole extends AppError {
  constructor(role: Role) {
    super({ status: 403, code: 'forbidden_role', title: 'Role missing', detail: `This needs the role ${role}.`, members: { required_role: role } });
  }
}

export class AddressNotAllowed extends AppError {
  constructor() {
    super({ status: 403, code: 'ip_not_allowed', title: 'Address not allowed', detail: 'This API key does not work from your address.' });
  }
}

export class TenantSuspended extends AppError {
  constructor() {
    super({ status: 403, code: 'tenant_suspended', title: 'Tenant suspended', detail: 'This tenant is suspended or inactive. Ask the administrator.' });
  }
}

export class CommonPassword extends ValidationFailed {
  constructor(field: string) {
    super([{ field, message: `${field} is one of the most common passwords; choose another` }]);
  }
}

/** The token is good, so this is no 401: only the password that was to be changed is not the one on record. */
export class WrongPassword extends AppError {
  constructor() {
    super({ status: 403, code: 'wrong_password', title: 'Wrong password', detail: 'current_password is not your password. Nothing was changed.' });
  }
}

/** More people sign in at once than may be hashed for; nothing was tried. */
export class HashingBusy extends ServiceUnavailable {
  constructor() {
    super('busy', 'Too many people are signing in right now. Try again in a moment.', 1);
  }
}

/** Too many tries have failed for this account, or from this address. */
export class TooManyAttempts extends AppError {
  constructor(retryAfterSeconds: number) {
    super({
      status: 429,
      code: 'rate_limited',
      title: 'Too many attempts',
      detail: `Too many attempts to sign in have failed. The password was not looked at; wait ${retryAfterSeconds} s.`,
      retryable: true,
      headers: { 'Retry-After': String(retryAfterSeconds) },
    });
  }
}

/** A key that leaks must not take over the account it belongs to. */
export class SessionRequired extends AppError {
  constructor() {
    super({ status: 403, code: 'session_required', title: 'Session required', detail: 'Sign in to change the account itself; an API key cannot.' });
  }
}
