import { Controller, Delete, Get, HttpCode, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequirePermission, type Principal } from '../common/principal.js';
import { UuidParam } from '../common/validation.js';
import { DocumentsService } from './documents.service.js';
import { DocumentDto, DocumentListDto, ListDocumentsQueryDto } from './dto/document.dto.js';

@ApiTags('Documents')
@Controller('api/v1/documents')
export class DocumentsController {
  constructor(private readonly documents: DocumentsService) {}

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
    return this.documents.remove(principal, id);
  }
}
