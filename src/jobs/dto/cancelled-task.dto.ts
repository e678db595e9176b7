import { ApiProperty } from '@nestjs/swagger';

/** What MoRAG's clients are told of a task that they cancelled. */
export class CancelledTaskDto {
  @ApiProperty({ format: 'uuid' })
  task_id: string;
  @ApiProperty({ enum: ['cancelled'] })
  status: 'cancelled';
  message: string;
}
