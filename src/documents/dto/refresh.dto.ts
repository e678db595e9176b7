import { ApiProperty } from '@nestjs/swagger';
import type { AcceptedDto } from './ingest.dto.js';

const STATUSES = ['pending', 'unchanged'] as const;

export class RefreshedDto {
  @ApiProperty({ format: 'uuid' })
  document_id: string;
  /** `pending`: there is something new, and a job at work on it. */
  @ApiProperty({ enum: STATUSES })
  status: (typeof STATUSES)[number];
  /** The job's id: poll `/api/v1/status/{task_id}`. */
  @ApiProperty({ format: 'uuid', type: String, nullable: true })
  task_id: string | null;

  static unchanged(documentId: string): RefreshedDto {
    return { document_id: documentId, status: 'unchanged', task_id: null };
  }

  static from({ document_id, task_id }: AcceptedDto): RefreshedDto {
    return { document_id, status: 'pending', task_id };
  }
}
