import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { UntilHungUp } from '../common/hanging-up.js';
import { CountedPageQueryDto } from '../common/pagination.js';
import { CurrentPrincipal, RequirePermission, type Principal } from '../common/principal.js';
import { UuidParam } from '../common/validation.js';
import { Idempotent } from '../idempotency/idempotent.js';
import { TenantConfigurationService } from '../tenancy/tenant-configuration.service.js';
import { DocumentsService } from './documents.service.js';
import { ChunkListDto, DocumentDto, DocumentListDto, DocumentStatsDto, DocumentStatsQueryDto, ListDocumentsQueryDto, UpdateDocumentDto } from './dto/document.dto.js';
import { AcceptedDto } from './dto/ingest.dto.js';
import { RefreshedDto } from './dto/refresh.dto.js';
import { ReprocessDto } from './dto/reprocess.dto.js';
import { DocumentRefresh } from './versions/document-refresh.service.js';
import { DocumentLife } from './versions/document-life.service.js';

@ApiTags('Documents')
@Controller('api/v1/documents')
export class DocumentsController {
  constructor(
    private readonly documents: DocumentsService,
    private readonly life: DocumentLife,
    private readonly refreshing: DocumentRefresh,
    private readonly configuration: TenantConfigurationService,
  ) {}

  /** Lists documents, newest first. */
  @Get()
  @RequirePermission('read')
  list(@CurrentPrincipal() principal: Principal, @Query() query: ListDocumentsQueryDto): Promise<DocumentListDto> {
    return this.documents.list(principal, query);
  }

  /** Counts documents by state, type and database. */
  @Get('stats')
  @RequirePermission('read')
  stats(@CurrentPrincipal() principal: Principal, @Query() query: DocumentStatsQueryDto): Promise<DocumentStatsDto> {
    return this.documents.stats(principal, query.database_id);
  }

  /** Reads one document. */
  @Get(':id')
  @RequirePermission('read')
  get(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<DocumentDto> {
    return this.documents.get(principal, id);
  }

  /** Changes a document's title or metadata, which searches show from then on. */
  @Patch(':id')
  @RequirePermission('write')
  update(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: UpdateDocumentDto): Promise<DocumentDto> {
    return this.documents.update(principal, id, dto);
  }

  /** Lists the pieces that a document was cut into, in the order of its text. */
  @Get(':id/chunks')
  @RequirePermission('read')
  listChunks(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Query() query: CountedPageQueryDto): Promise<ChunkListDto> {
    return this.documents.listChunks(principal, id, query);
  }

  /** Deletes a document: unreadable at once; its vectors, file and quota follow within seconds. */
  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('write')
  remove(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<void> {
    return this.life.remove(principal, id);
  }

  /** Reads a document's file anew, as its next version. The one before is served until that is whole; one that failed is charged anew. */
  @Post(':id/reprocess')
  @Idempotent()
  @HttpCode(202)
  @RequirePermission('write')
  reprocess(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: ReprocessDto): Promise<AcceptedDto> {
    return this.life.reprocess(principal, id, dto);
  }

  /** Fetches a document's `source_url` again while you wait. What it has become is the next version, unless it is still the same. */
  @Post(':id/refresh')
  @Idempotent()
  @HttpCode(200)
  @RequirePermission('write')
  async refresh(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @UntilHungUp() signal: AbortSignal): Promise<RefreshedDto> {
    return this.refreshing.refresh(principal, await this.configuration.forIngestion(principal), id, signal);
  }

  /** Takes a document out of every search, until it is restored. It can still be read, and is still charged. */
  @Post(':id/deprecate')
  @HttpCode(200)
  @RequirePermission('write')
  deprecate(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<DocumentDto> {
    return this.life.deprecate(principal, id);
  }

  /** Lets a deprecated document be found again. */
  @Post(':id/restore')
  @HttpCode(200)
  @RequirePermission('write')
  restore(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<DocumentDto> {
    return this.life.restore(principal, id);
  }
}
