import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsUUID } from 'class-validator';
import { CountedPageInfoDto, CountedPageQueryDto } from '../../common/pagination.js';
import { Omittable } from '../../common/validation.js';
import { JOB_STATUSES, type JobError, type JobStatus } from '../job.entity.js';
import type { JobWithDocument } from '../jobs.repository.js';
import { STATUS_OF_TASK, TASK_STATUSES, type TaskStatus } from '../task-status.js';

export class JobErrorDto implements JobError {
  /** Stable and snake_case: branch on this. */
  code: string;
  message: string;
  /** Whether trying the same again may help. */
  retryable: boolean;
}

export class JobDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  @ApiProperty({ format: 'uuid' })
  document_id: string;
  document_name: string | null;
  document_type: string | null;
  @ApiProperty({ enum: JOB_STATUSES })
  status: JobStatus;
  /** 0 to 100; never falls within an attempt. */
  percentage: number;
  /** What a running ingest is at: `extracting`, `chunking`, `embedding` or `storing`, or `remote` while a remote worker has it; of a failed or cancelled job, what it was at. */
  stage: string | null;
  summary: string;
  attempt: number;
  /** Rises when the job is tried again on request, and by one for each attempt that does not count: the server stopped, or the embedding provider asked to be left alone for a while. */
  max_attempts: number;
  @ApiProperty({ type: JobErrorDto, nullable: true })
  error: JobErrorDto | null;
  start_date: Date | null;
  end_date: Date | null;
  created_at: Date;
  updated_at: Date;
  @ApiProperty({ format: 'uuid' })
  user_id: string;

  static from({ job, documentName, documentType }: JobWithDocument): JobDto {
    return {
      id: job.id,
      document_id: job.documentId,
      document_name: documentName,
      document_type: documentType,
      status: job.status,
      percentage: job.percentage,
      stage: job.stage,
      summary: job.summary,
      attempt: job.attempt,
      max_attempts: job.maxAttempts,
      error: job.error,
      start_date: job.startedAt,
      end_date: job.endedAt,
      created_at: job.createdAt,
      updated_at: job.updatedAt,
      user_id: job.userId,
    };
  }
}

export class JobListDto extends CountedPageInfoDto {
  jobs: JobDto[];
}

export class ListJobsQueryDto extends CountedPageQueryDto {
  /** Only jobs in this state. */
  @ApiPropertyOptional({ enum: JOB_STATUSES })
  @Omittable()
  @IsIn(JOB_STATUSES)
  status?: JobStatus;

  /** Only jobs of this document. */
  @ApiPropertyOptional({ format: 'uuid' })
  @Omittable()
  @IsUUID()
  document_id?: string;
}

/** A job in the shape that MoRAG's clients poll. */
export class TaskStatusDto {
  @ApiProperty({ format: 'uuid' })
  task_id: string;
  @ApiProperty({ enum: TASK_STATUSES })
  status: TaskStatus;
  /** 0 to 1. */
  progress: number;
  message: string;
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  result: object | null;
  /** Why it failed, when it did. */
  error: string | null;
  created_at: Date;
  started_at: Date | null;
  completed_at: Date | null;

  static from({ job }: JobWithDocument): TaskStatusDto {
    return {
      task_id: job.id,
      status: STATUS_OF_TASK[job.status],
      progress: job.percentage / 100,
      message: job.summary,
      result: job.result,
      error: job.error && `${job.error.code}: ${job.error.message}`,
      created_at: job.createdAt,
      started_at: job.startedAt,
      completed_at: job.endedAt,
    };
  }
}
