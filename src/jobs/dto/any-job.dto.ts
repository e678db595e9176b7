import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsDate, IsString, IsUUID, MaxLength } from 'class-validator';
import { CountedPageInfoDto } from '../../common/pagination.js';
import { DateFromText, Omittable } from '../../common/validation.js';
import type { JobWithDocument } from '../jobs.repository.js';
import { JobDto, ListJobsQueryDto } from './job.dto.js';

/** A job as the administrator sees it. */
export class AnyJobDto extends JobDto {
  @ApiProperty({ format: 'uuid' })
  tenant_id: string;
  /** What kind of work it is, such as `ingest`. */
  type: string;

  static ofAnyTenant(row: JobWithDocument): AnyJobDto {
    return { ...JobDto.from(row), tenant_id: row.job.tenantId, type: row.job.type };
  }
}

export class AnyJobListDto extends CountedPageInfoDto {
  jobs: AnyJobDto[];
}

export class ListAnyJobsQueryDto extends ListJobsQueryDto {
  /** Only jobs of this tenant. */
  @ApiPropertyOptional({ format: 'uuid' })
  @Omittable()
  @IsUUID()
  tenant_id?: string;

  /** Only jobs of this kind, such as `ingest`. */
  @Omittable()
  @IsString()
  @MaxLength(100)
  type?: string;

  /** Enqueued after this time. */
  @Omittable()
  @DateFromText()
  @IsDate()
  created_after?: Date;

  /** Enqueued before this time. */
  @Omittable()
  @DateFromText()
  @IsDate()
  created_before?: Date;
}
