import type { JobStatus } from './job.entity.js';

/** How MoRAG's clients know the states of a job. */
export const TASK_STATUSES = ['pending', 'in_progress', 'completed', 'failed', 'cancelled'] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];

export const STATUS_OF_TASK: Readonly<Record<JobStatus, TaskStatus>> = {
  PENDING: 'pending',
  WAITING_FOR_REMOTE_WORKER: 'pending',
  PROCESSING: 'in_progress',
  FINISHED: 'completed',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
};
