import { AppError } from '../../common/errors.js';

export class DatabaseServerNameTaken extends AppError {
  constructor(name: string) {
    super({ status: 409, code: 'name_taken', title: 'Name taken', detail: `A database server named "${name}" exists. Choose another name.` });
  }
}

export class DatabaseServerInUse extends AppError {
  constructor(databases: number) {
    super({
      status: 409,
      code: 'resource_in_use',
      title: 'Database server in use',
      detail: `Databases that are on this server: ${databases}. Delete them first; one whose documents are still being removed counts until they are gone.`,
      members: { databases },
    });
  }
}

/** The vectors of its databases would be left behind. */
export class DatabaseServerPlaceFixed extends AppError {
  constructor(fields: readonly string[]) {
    super({
      status: 409,
      code: 'resource_in_use',
      title: 'Database server in use',
      detail: `A database is on this server, whose ${fields.join(', ')} cannot change any more: its vectors would stay behind. Register the other place as another server.`,
      members: { fields },
    });
  }
}

/** Every tenant has one from the start, for good. */
export class BuiltInDatabaseServer extends AppError {
  constructor(detail: string) {
    super({ status: 409, code: 'built_in_server', title: 'Built-in database server', detail });
  }
}

export class TooManyDatabaseServers extends AppError {
  constructor(limit: number) {
    super({ status: 409, code: 'too_many_servers', title: 'Too many database servers', detail: `A tenant may have ${limit} database servers. Delete one that no database uses.`, members: { limit } });
  }
}

/** Other databases of the tenant may be on it. */
export class BoundKeyCannotManageServers extends AppError {
  constructor() {
    super({
      status: 403,
      code: 'insufficient_scope',
      title: 'Bound to databases',
      detail: 'This key is bound to certain databases and may only read database servers. Use a key that is bound to none.',
    });
  }
}

/** Sealed with a key that is not configured any more. */
export class DatabaseServerSecretUnreadable extends AppError {
  constructor(name: string, options: ErrorOptions) {
    super(
      {
        status: 409,
        code: 'secret_unreadable',
        title: 'Stored credential unreadable',
        detail: `The stored credentials of the database server "${name}" were sealed with another key than this installation has. Store them again, or have the operator set SEALING_KEY_PREVIOUS.`,
      },
      options,
    );
  }
}
