import { ApiProperty } from '@nestjs/swagger';
import { IsUUID } from 'class-validator';

export class PurgeTenantQueryDto {
  /** The tenant's id once more, so that nobody purges one by a slip. */
  @ApiProperty({ format: 'uuid' })
  @IsUUID(undefined, { message: 'confirm must be the id of the tenant that is to be purged' })
  confirm: string;
}

export class TenantPurgeDto {
  @ApiProperty({ format: 'uuid' })
  tenant_id: string;
  @ApiProperty({ enum: ['purging'] })
  status: 'purging';
  /** By the first request. */
  purge_requested_at: Date;
  message: string;
}
