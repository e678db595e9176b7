import { Body, Controller, Delete, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequirePermission, type Principal } from '../common/principal.js';
import { UuidParam } from '../common/validation.js';
import { DocumentsService } from './documents.service.js';
import { DocumentDto, DocumentListDto, ListDocumentsQueryDto } from './dto/document.dto.js';
import { AcceptedDto } from './dto/ingest.dto.js';
import { ReprocessDto } from './dto/reprocess.dto.js';
import { DocumentLife } from './versions/document-life.service.js';

@ApiTags('Documents')
@Controller('api/v1/documents')
export class DocumentsController {
  constructor(
    private readonly documents: DocumentsService,
    private readonly life: DocumentLife,
  ) {}

  /** Lists documents, newest first. */
  @Get()
  @RequirePermission('read')
  list(@CurrentPrincipal() principal: Principal, @Query() query: ListDocumentsQueryDto): Promise<DocumentListDto> {
    return this.documents.list(principal, query);
  }

  /** Reads one document. */
  @Get(':id')
  @RequirePermission('read')
  get(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<DocumentDto> {
    return this.documents.get(principal, id);
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
  @HttpCode(202)
  @RequirePermission('write')
  reprocess(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: ReprocessDto): Promise<AcceptedDto> {
    return this.life.reprocess(principal, id, dto);
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
