import type { JobStatus } from './job.entity.js';

/** How much work is in a queue. */
export interface QueueDepth {
  name: string;
  /** Due, and taken by nobody. */
  waiting: number;
  /** Due later: put off, or to be tried again. */
  delayed: number;
  running: number;
  failed: number;
  /** How long the first of those that wait has been due. */
  oldestWaitingSeconds: number | null;
}

/** A process with a queue, as it last said of itself. */
export interface QueueProcess {
  id: string;
  role: 'api' | 'worker';
  host: string;
  pid: number;
  startedAt: Date;
  lastSeenAt: Date;
  isAlive: boolean;
}

export interface JobCounts {
  open: Partial<Record<JobStatus, number>>;
  endedLastDay: Partial<Record<JobStatus, number>>;
}
