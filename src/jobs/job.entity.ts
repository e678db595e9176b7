import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { RemoteType } from './remote-types.js';

export const JOB_STATUSES = ['PENDING', 'WAITING_FOR_REMOTE_WORKER', 'PROCESSING', 'FINISHED', 'FAILED', 'CANCELLED'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** `low` is for work that nobody waits for, such as a batch: it takes a quarter of the turns, and delays none of the tenant's own normal jobs. */
export const JOB_PRIORITIES = ['normal', 'low'] as const;
export type JobPriority = (typeof JOB_PRIORITIES)[number];

export interface JobError {
  code: string;
  message: string;
  retryable: boolean;
}

/** What people see of a job; the queue only carries its id. */
@Entity('jobs')
export class JobEntity {
  @PrimaryColumn({ name: 'tenant_id', type: 'uuid' })
  tenantId: string;

  @PrimaryColumn({ type: 'uuid' })
  id: string;

  @Column({ name: 'user_id', type: 'uuid' })
  userId: string;

  @Column({ name: 'document_id', type: 'uuid' })
  documentId: string;

  @Column({ type: 'text' })
  type: string;

  @Column({ type: 'text' })
  status: JobStatus;

  @Column({ type: 'smallint' })
  percentage: number;

  @Column({ type: 'text', nullable: true })
  stage: string | null;

  @Column({ type: 'text' })
  summary: string;

  /** Counted at claim time, so a worker that dies mid-job still uses up an attempt; also the fencing token. */
  @Column({ type: 'integer' })
  attempt: number;

  /** By the database's clock; null while no worker runs the job. */
  @Column({ name: 'lease_expires_at', type: 'timestamptz', nullable: true })
  leaseExpiresAt: Date | null;

  @Column({ name: 'max_attempts', type: 'integer' })
  maxAttempts: number;

  /** The one entry of the queue that carries the job; what another one delivers is stale. */
  @Column({ name: 'delivery_id', type: 'uuid', nullable: true })
  deliveryId: string | null;

  /** As long as the job needs a remote worker that reads files of this type; null once its text is there. */
  @Column({ name: 'remote_type', type: 'text', nullable: true })
  remoteType: RemoteType | null;

  @Column({ type: 'text' })
  priority: JobPriority;

  /** Its place in the order over all tenants. */
  @Column({ type: 'integer' })
  turn: number;

  /** How long it was put off because something outside asked for it, without using up attempts. */
  @Column({ name: 'deferred_seconds', type: 'integer' })
  deferredSeconds: number;

  /** Of its last event; 0 before the first. */
  @Column({ name: 'event_sequence', type: 'integer' })
  eventSequence: number;

  @Column({ type: 'jsonb', nullable: true })
  error: JobError | null;

  @Column({ type: 'jsonb', nullable: true })
  result: object | null;

  @Column({ name: 'started_at', type: 'timestamptz', nullable: true })
  startedAt: Date | null;

  @Column({ name: 'ended_at', type: 'timestamptz', nullable: true })
  endedAt: Date | null;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;

  @Column({ name: 'updated_at', type: 'timestamptz' })
  updatedAt: Date;
}
