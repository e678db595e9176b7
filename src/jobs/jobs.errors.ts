import { AppError } from '../common/errors.js';

export class JobNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is no such job.' });
  }
}

/** The job is no longer this worker's: cancelled, or given to another after a silence. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** Ends an attempt with a reason that the job's owner can read. */
export class JobFailure extends Error {
  override readonly name = 'JobFailure';

  constructor(
    readonly code: string,
    message: string,
    /** Whether trying again is pointless. */
    readonly permanent: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
