import { ApiProperty } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsIn, IsUUID } from 'class-validator';
import { ProblemDto } from '../../common/problem.dto.js';
import { LowerCaseList } from '../../common/validation.js';

const OPERATIONS = ['delete', 'deprecate', 'restore', 'reprocess'] as const;

export class DocumentBatchDto {
  @ApiProperty({ type: [String], format: 'uuid', maxItems: 1000, example: ['019a0000-0000-7000-8000-000000000000'] })
  @LowerCaseList()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(1000)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  document_ids: string[];

  @ApiProperty({ enum: OPERATIONS, example: 'deprecate' })
  @IsIn(OPERATIONS)
  operation: (typeof OPERATIONS)[number];
}

export class DoneDto {
  @ApiProperty({ format: 'uuid' })
  document_id: string;
  /** The job that was begun by `reprocess`. */
  @ApiProperty({ format: 'uuid', type: String, nullable: true })
  task_id: string | null;
}

export class NotDoneDto {
  @ApiProperty({ format: 'uuid' })
  document_id: string;
  /** What the operation on this document alone would have been answered. */
  problem: ProblemDto;
}

export class DocumentBatchResultDto {
  @ApiProperty({ enum: OPERATIONS })
  operation: (typeof OPERATIONS)[number];
  succeeded: DoneDto[];
  failed: NotDoneDto[];
}
