import { AppError } from '../common/errors.js';
import { ServiceUnavailable } from '../common/request-errors.js';
import type { JobStatus } from './job.entity.js';

export class JobNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is no such job.' });
  }
}

const OPERATIONS: Readonly<Record<JobStatus, readonly string[]>> = {
  PENDING: ['cancel'],
  WAITING_FOR_REMOTE_WORKER: ['cancel'],
  PROCESSING: ['cancel'],
  FINISHED: [],
  FAILED: ['retry'],
  CANCELLED: ['retry'],
};

/** What was asked of the job cannot be done in its present status. */
export class JobTransitionRefused extends AppError {
  constructor(operation: 'cancel' | 'retry', status: JobStatus) {
    const allowed = OPERATIONS[status];
    super({
      status: 409,
      code: 'illegal_transition',
      title: 'Not in this status',
      detail: `The job is ${status}, so there is nothing to ${operation}. ${allowed.length === 0 ? 'Nothing can be done with it any more.' : `What can be done with it now: ${allowed.join(', ')}.`}`,
      members: { allowed },
    });
  }
}

/** What the job worked on is gone, or is another job's by now. */
export class JobOutdated extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'illegal_transition',
      title: 'Not this job any more',
      detail: 'The document was deleted, is worked on by a newer job, or its earlier version is still served. Look at the document: reprocess it, or send the file again.',
      members: { allowed: [] },
    });
  }
}

/** What a worker elsewhere sends about a job that is not its any more. */
export class RemoteLeaseLost extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'lease_lost',
      title: 'Lease lost',
      detail: 'The job is not this attempt’s any more: it was cancelled, has ended, or its lease ran out because no heartbeat came in time. Drop the work and lease another job.',
    });
  }
}

/** Made by another version of the server, whose handler knows what the job holds. */
export class JobTypeUnknown extends ServiceUnavailable {
  constructor(type: string) {
    super('unknown_job_type', `This server does not know jobs of the type ${type}; ask again once all servers are of one version.`, 30);
  }
}

/** A page that opens streams and forgets them must not use up what others need. */
export class TooManyStreams extends AppError {
  constructor(limit: number) {
    super({
      status: 429,
      code: 'too_many_streams',
      title: 'Too many streams',
      detail: `Your tenant watches ${limit} jobs at this server already. Close some of the streams, or poll GET /api/v1/jobs.`,
      retryable: true,
      headers: { 'Retry-After': '5' },
    });
  }
}

/** This process has no room for another stream, or is about to stop. */
export class StreamsUsedUp extends ServiceUnavailable {
  constructor() {
    super('streams_used_up', 'This server cannot watch one more job at this moment; try again, or poll GET /api/v1/jobs/{id}.', 2);
  }
}

/** The job is no longer this worker's: cancelled, or given to another after a silence. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** Ends an attempt with a reason that the job's owner can read. */
export class JobFailure extends Error {
  override readonly name = 'JobFailure';
  readonly retryAfterSeconds: number | undefined;

  constructor(
    readonly code: string,
    message: string,
    /** Whether trying again is pointless. */
    readonly permanent: boolean,
    options?: ErrorOptions & {
      /** Something outside asked not to be asked again before; the attempt does not count. */
      retryAfterSeconds?: number;
    },
  ) {
    super(message, options);
    this.retryAfterSeconds = options?.retryAfterSeconds;
  }
}
