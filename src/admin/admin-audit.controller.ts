import { Controller, Get, Query, type StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { ND_JSON, ndjson } from '../audit/audit.controller.js';
import { AuditService } from '../audit/audit.service.js';
import { AnyAuditListDto, ExportAnyAuditQueryDto, ListAnyAuditQueryDto } from '../audit/dto/audit.dto.js';
import { CurrentReadmission, RequirePermission, RequireRole, type Readmission } from '../common/principal.js';

@ApiTags('Administration')
@Controller('admin/audit')
@RequirePermission('admin')
@RequireRole('ADMIN')
export class AdminAuditController {
  constructor(private readonly audit: AuditService) {}

  /** Lists who changed what in any tenant, and what was refused, newest first. */
  @Get()
  list(@Query() query: ListAnyAuditQueryDto): Promise<AnyAuditListDto> {
    return this.audit.listOfAll(query);
  }

  /** Downloads the same as NDJSON: one entry a line, all that match. */
  @Get('export')
  @ApiOkResponse(ND_JSON)
  async export(@Query() query: ExportAnyAuditQueryDto, @CurrentReadmission() readmit: Readmission): Promise<StreamableFile> {
    return ndjson(await this.audit.exportOfAll(query, readmit));
  }
}
