import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsBoolean, IsIn, IsInt, IsString, Length, Matches, Max, MaxLength, Min } from 'class-validator';
import { NumberFromText, Omittable } from '../../common/validation.js';
import { REMOTE_TYPES, type RemoteType } from '../../jobs/remote-types.js';

const LARGEST_INTEGER = 2 ** 31 - 1;

export class LeaseRemoteJobDto {
  /** What the worker can read; default: everything. */
  @ApiPropertyOptional({ enum: REMOTE_TYPES, isArray: true, maxItems: REMOTE_TYPES.length, example: ['audio', 'video'] })
  @Omittable()
  @ArrayMinSize(1)
  @ArrayMaxSize(REMOTE_TYPES.length)
  @IsIn(REMOTE_TYPES, { each: true })
  types: RemoteType[] = [...REMOTE_TYPES];
}

export class RemoteJobDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  @ApiProperty({ format: 'uuid' })
  document_id: string;
  /** The file's name as it was sent. */
  document_name: string;
  @ApiProperty({ enum: REMOTE_TYPES })
  document_type: RemoteType;
  /** By the file's content, such as `audio/mpeg`. */
  media_type: string;
  size_bytes: number;
  /** SHA-256 of the file, hexadecimal. */
  content_checksum: string;
  /** Goes with every further call: what an earlier attempt sends is refused. */
  attempt: number;
  lease_expires_at: Date;
  /** How often to send a heartbeat. */
  heartbeat_seconds: number;
}

export class LeasedRemoteJobDto {
  job: RemoteJobDto;
}

export class RemoteContentQueryDto {
  /** The attempt of the lease; default: the one that runs. */
  @ApiPropertyOptional({ minimum: 1, example: 1 })
  @Omittable()
  @NumberFromText()
  @IsInt()
  @Min(1)
  @Max(LARGEST_INTEGER)
  attempt?: number;
}

class RemoteAttemptDto {
  /**
   * Of the lease.
   * @example 1
   */
  @IsInt()
  @Min(1)
  @Max(LARGEST_INTEGER)
  attempt: number;
}

export class RemoteHeartbeatDto extends RemoteAttemptDto {
  /**
   * How far the work is, 0 to 100; never falls within an attempt.
   * @example 40
   */
  @Omittable()
  @IsInt()
  @Min(0)
  @Max(100)
  percentage?: number;

  /**
   * Shown as the job's summary.
   * @example 'Minute 12 of 30'
   */
  @Omittable()
  @IsString()
  @Length(1, 500)
  @Matches(/^[^\0]*$/, { message: 'message must not contain NUL' })
  message?: string;
}

export class RenewedRemoteLeaseDto {
  /** Before this the next heartbeat must come. */
  lease_expires_at: Date;
}

export class CompleteRemoteJobDto extends RemoteAttemptDto {
  /**
   * What the file says, as Markdown or plain text.
   * @example "# Board meeting\n\nThe board approved the budget of 2027."
   */
  @IsString()
  @Matches(/\S/, { message: 'content must contain text' })
  @MaxLength(4_000_000)
  content: string;
}

export class FailRemoteJobDto extends RemoteAttemptDto {
  /**
   * Stable and snake_case; the document's owner sees it.
   * @example corrupt_file
   */
  @Matches(/^[a-z][a-z0-9_]{0,63}$/, { message: 'code must be snake_case, of at most 64 characters' })
  code: string;

  /**
   * For the document's owner.
   * @example 'The recording breaks off after three seconds.'
   */
  @IsString()
  @Length(1, 1000)
  @Matches(/^[^\0]*$/, { message: 'message must not contain NUL' })
  message: string;

  /**
   * Whether another attempt may help.
   * @example false
   */
  @IsBoolean()
  retryable: boolean;
}

export class FailedRemoteJobDto {
  @ApiProperty({ format: 'uuid' })
  job_id: string;
  /** Whether it is tried again. */
  @ApiProperty({ enum: ['WAITING_FOR_REMOTE_WORKER', 'FAILED'] })
  status: 'WAITING_FOR_REMOTE_WORKER' | 'FAILED';
}
