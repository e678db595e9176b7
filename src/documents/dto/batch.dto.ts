import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsIn, IsObject, IsString, Length, MaxLength, ValidateBy, ValidateIf, ValidateNested } from 'class-validator';
import { ProblemDto } from '../../common/problem.dto.js';
import { AsSent, IsAbsoluteUrl, Omittable } from '../../common/validation.js';
import { STATUS_OF_TASK, TASK_STATUSES, type TaskStatus } from '../../jobs/task-status.js';
import type { Batch, BatchItem } from '../ingest-batches.repository.js';
import { IngestOptionsDto, TEXT_TYPES } from './ingest.dto.js';

const MAX_ITEMS = 100;

const isText = ({ content }: BatchItemDto): boolean => content !== undefined;

function StandsAlone(): PropertyDecorator {
  const validate = (_: unknown, args?: { object: Partial<BatchItemDto> }): boolean => args?.object.url === undefined;
  return ValidateBy({ name: 'standsAlone', validator: { validate, defaultMessage: () => 'an item has either url, or title and content' } });
}

/** Either a `url`, or a text with `title` and `content`. */
export class BatchItemDto {
  /** Fetched as by `/api/v1/ingest/url`. */
  @ApiPropertyOptional({ type: String, example: 'https://www.rfc-editor.org/rfc/rfc9457.html' })
  @ValidateIf((item: BatchItemDto) => item.url !== undefined || !isText(item))
  @IsAbsoluteUrl()
  url?: string;

  /** Needed with `content`. Default with `url`: the page's own. */
  @ApiPropertyOptional({ type: String, minLength: 1, maxLength: 500 })
  @ValidateIf((item: BatchItemDto) => item.title !== undefined || isText(item))
  @IsString()
  @Length(1, 500)
  title?: string;

  @Omittable()
  @IsString()
  @MaxLength(4_000_000)
  @StandsAlone()
  content?: string;

  /** Of `content`; default: `text/markdown`. */
  @ApiPropertyOptional({ enum: TEXT_TYPES })
  @Omittable()
  @IsIn(TEXT_TYPES)
  content_type?: (typeof TEXT_TYPES)[number];

  /** Added to that of the whole batch. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  @Omittable()
  @IsObject()
  @AsSent()
  metadata?: Record<string, unknown>;
}

export class IngestBatchDto extends IngestOptionsDto {
  /** @example [{ "url": "https://www.rfc-editor.org/rfc/rfc9457.html" }, { "title": "Minutes of the board", "content": "# Decisions\n\nThe board approved the budget of 2027." }] */
  @ApiProperty({ type: [BatchItemDto], maxItems: MAX_ITEMS })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_ITEMS)
  // A list in the list would be looked through for items as well, and then taken for one.
  @IsObject({ each: true })
  @ValidateNested({ each: true })
  @Type(() => BatchItemDto)
  items: BatchItemDto[];
}

export class BatchEntryDto {
  /** Of the item in the request, from 0. */
  index: number;
  /** The job's id: poll `/api/v1/status/{task_id}`, or the batch. */
  @ApiProperty({ format: 'uuid' })
  task_id: string;
  @ApiProperty({ format: 'uuid' })
  document_id: string;
}

export class BatchRejectionDto {
  /** Of the item in the request, from 0. */
  index: number;
  /** What the item would have been answered by itself. */
  problem: ProblemDto;
}

export class BatchAcceptedDto {
  /** Poll `/api/v1/ingest/batch/{batch_id}`. */
  @ApiProperty({ format: 'uuid' })
  batch_id: string;
  tasks: BatchEntryDto[];
  rejected: BatchRejectionDto[];
}

export const BATCH_STATUSES = ['pending', 'in_progress', 'completed'] as const;
export type BatchStatus = (typeof BATCH_STATUSES)[number];

export class BatchTaskDto extends BatchEntryDto {
  @ApiProperty({ enum: TASK_STATUSES })
  status: TaskStatus;
  /** 0 to 1. */
  progress: number;
  /** Why it failed, when it did. */
  error: string | null;

  static from({ index, jobId, documentId, status, percentage, error }: BatchItem): BatchTaskDto {
    return { index, task_id: jobId, document_id: documentId, status: STATUS_OF_TASK[status], progress: percentage / 100, error: error && `${error.code}: ${error.message}` };
  }
}

/** How many tasks are in each state. */
export class TaskCountsDto implements Record<TaskStatus, number> {
  pending: number;
  in_progress: number;
  completed: number;
  failed: number;
  cancelled: number;
}

export class BatchDto {
  @ApiProperty({ format: 'uuid' })
  batch_id: string;
  created_at: Date;
  /** `completed` once every task has ended, well or not. */
  @ApiProperty({ enum: BATCH_STATUSES })
  status: BatchStatus;
  /** Items of the request. */
  total: number;
  accepted: number;
  rejected: number;
  by_status: TaskCountsDto;
  /** 0 to 1, over all tasks; one that has ended counts as done. */
  progress: number;
  tasks: BatchTaskDto[];

  static from(batchId: string, batch: Batch): BatchDto {
    const tasks = batch.items.map((item) => BatchTaskDto.from(item));
    const by_status: TaskCountsDto = { pending: 0, in_progress: 0, completed: 0, failed: 0, cancelled: 0 };
    for (const { status } of tasks) by_status[status] += 1;
    const left = tasks.filter(({ status }) => status === 'pending' || status === 'in_progress');
    const progress = tasks.length === 0 ? 1 : (tasks.length - left.length + left.reduce((sum, task) => sum + task.progress, 0)) / tasks.length;
    const status = left.length === 0 ? 'completed' : by_status.pending === tasks.length ? 'pending' : 'in_progress';
    return { batch_id: batchId, created_at: batch.createdAt, status, total: tasks.length + batch.rejected, accepted: tasks.length, rejected: batch.rejected, by_status, progress, tasks };
  }
}
