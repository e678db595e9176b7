import { Controller, Get, Header, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { create as contentDisposition } from 'content-disposition';
import { CurrentPrincipal, RequirePermission, type Principal } from '../common/principal.js';
import { UuidParam } from '../common/validation.js';
import { DocumentFiles, type DocumentFile } from './document-files.service.js';

/** Whatever a browser makes of it, it runs nothing and reads nothing of ours. */
const SANDBOX = "sandbox; default-src 'none'";

function download({ blob }: DocumentFile, type: string, name: string): StreamableFile {
  return new StreamableFile(blob.stream, { type, length: blob.sizeBytes, disposition: contentDisposition(name) });
}

@ApiTags('Documents')
@Controller('api/v1/documents')
@RequirePermission('read')
export class DocumentFilesController {
  constructor(private readonly files: DocumentFiles) {}

  /** Downloads a document's file as it was sent. */
  @Get(':id/content')
  @Header('content-security-policy', SANDBOX)
  @ApiOkResponse({ content: { '*/*': { schema: { type: 'string', format: 'binary' } } } })
  async content(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<StreamableFile> {
    const file = await this.files.openOriginal(principal, id);
    return download(file, file.document.mediaType, file.document.name);
  }

  /** Downloads the text that was read in a document, Markdown where its format has headings or tables. The offsets of chunks count its code points. */
  @Get(':id/text')
  @Header('content-security-policy', SANDBOX)
  @ApiOkResponse({ content: { 'text/plain': { schema: { type: 'string' } } } })
  async text(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<StreamableFile> {
    const file = await this.files.openText(principal, id);
    return download(file, 'text/plain; charset=utf-8', `${file.document.name}.txt`);
  }
}
