import { AppError } from '../common/errors.js';

export class ApiKeyNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is no such API key.' });
  }
}

/** A key cannot be bound to a database that is missing, or another tenant's. */
export class BoundDatabaseNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is no such database.' });
  }
}

export class ApiKeyNameTaken extends AppError {
  constructor(name: string) {
    super({ status: 409, code: 'name_taken', title: 'Name taken', detail: `An API key named "${name}" exists. Choose another name, or revoke that one first.` });
  }
}

/** A key may only make and change keys that can do no more than itself. */
export class BeyondOwnRights extends AppError {
  constructor(what: string) {
    super({ status: 403, code: 'insufficient_scope', title: 'Beyond your own rights', detail: `A key cannot grant ${what} that it does not have itself.` });
  }
}

export class RevokedForGood extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'illegal_transition',
      title: 'Revoked for good',
      detail: 'A revoked key cannot be changed. Create a new one.',
      members: { allowed: [] },
    });
  }
}

/** A key has one successor: what is changed on the old one would be lost with it. */
export class AlreadyRotated extends AppError {
  constructor(successorId: string) {
    super({
      status: 409,
      code: 'illegal_transition',
      title: 'Already rotated',
      detail: `This key was rotated and only waits for the end of its grace. Change or rotate its successor ${successorId}, or revoke this one.`,
      members: { allowed: ['revoked'], rotated_to: successorId },
    });
  }
}

export class ExpiredForGood extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'illegal_transition',
      title: 'Expired',
      detail: 'An expired key has nothing to hand on. Give it a later expires_at first, or create a new key.',
      members: { allowed: ['active', 'inactive', 'revoked'] },
    });
  }
}
