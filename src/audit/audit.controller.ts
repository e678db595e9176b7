import { Controller, Get, Query, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { Readable } from 'node:stream';
import { CurrentPrincipal, CurrentReadmission, RequirePermission, type Principal, type Readmission } from '../common/principal.js';
import { AuditService } from './audit.service.js';
import { AuditListDto, ExportAuditQueryDto, ListAuditQueryDto } from './dto/audit.dto.js';

export const ND_JSON = { description: 'One entry a line, newest first', content: { 'application/x-ndjson': { schema: { type: 'string' } } } } as const;
export const ndjson = (lines: Readable): StreamableFile => new StreamableFile(lines, { type: 'application/x-ndjson; charset=utf-8', disposition: 'attachment; filename="audit.ndjson"' });

@ApiTags('Audit')
@Controller('api/v1/audit')
@RequirePermission('admin')
export class AuditController {
  constructor(private readonly audit: AuditService) {}

  /** Lists who changed what in the tenant, and what was refused, newest first. A key that is bound to databases sees what was done with itself. */
  @Get()
  list(@CurrentPrincipal() principal: Principal, @Query() query: ListAuditQueryDto): Promise<AuditListDto> {
    return this.audit.list(principal, query);
  }

  /** Downloads the same as NDJSON: one entry a line, all that match. */
  @Get('export')
  @ApiOkResponse(ND_JSON)
  async export(@CurrentPrincipal() principal: Principal, @Query() query: ExportAuditQueryDto, @CurrentReadmission() readmit: Readmission): Promise<StreamableFile> {
    return ndjson(await this.audit.export(principal, query, readmit));
  }
}
