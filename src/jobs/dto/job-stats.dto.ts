import { ApiProperty } from '@nestjs/swagger';
import type { JobStatus } from '../job.entity.js';

/** How many jobs are in each status. */
export class JobsByStatusDto implements Record<JobStatus, number> {
  PENDING: number;
  WAITING_FOR_REMOTE_WORKER: number;
  PROCESSING: number;
  FINISHED: number;
  FAILED: number;
  CANCELLED: number;
}

export class JobFailuresDto {
  /** As in the `error` of a job. */
  @ApiProperty({ example: 'corrupt_file' })
  code: string;
  jobs: number;
}

/** From the first start of a job to its end, pauses between attempts included; null when none has finished. */
export class JobDurationsDto {
  @ApiProperty({ type: 'number', nullable: true })
  average_seconds: number | null;
  @ApiProperty({ type: 'number', nullable: true })
  p50_seconds: number | null;
  @ApiProperty({ type: 'number', nullable: true })
  p95_seconds: number | null;
}

/** Of the last 24 hours. */
export class RecentJobsDto {
  finished: number;
  failed: number;
  cancelled: number;
  /** Of those that finished. */
  durations: JobDurationsDto;
  /** The ten most frequent reasons, most frequent first. */
  failures_by_code: JobFailuresDto[];
}

export class JobStatsDto {
  total: number;
  by_status: JobsByStatusDto;
  /** Of those that are PROCESSING: how many are in each stage. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' }, example: { embedding: 2 } })
  by_stage: Record<string, number>;
  /** For how long the PENDING job has waited that has waited longest; null when none waits. */
  @ApiProperty({ type: 'number', nullable: true })
  oldest_pending_seconds: number | null;
  last_day: RecentJobsDto;
}
