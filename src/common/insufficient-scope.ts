import { AppError } from './errors.js';
import type { Permission } from './principal.js';

/** For the guard, and for what one query of a route shows and another does not. */
export class InsufficientScope extends AppError {
  constructor(permission: Permission) {
    super({
      status: 403,
      code: 'insufficient_scope',
      title: 'Permission missing',
      detail: `This needs the permission "${permission}".`,
      members: { required_permission: permission },
    });
  }
}
