import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequirePermission, type Principal } from '../../common/principal.js';
import { ChunkPreviewDto, PreviewChunksDto } from '../dto/processing.dto.js';
import { ChunkPreviews } from './chunk-previews.service.js';

/** What is worked on and answered at once; nothing of it is stored. */
@ApiTags('Processing')
@Controller('process')
@RequirePermission('process')
export class ProcessingController {
  constructor(private readonly previews: ChunkPreviews) {}

  /** Shows the chunks that ingesting the text with the same options would make. Stores nothing. */
  @Post('chunks')
  @HttpCode(200)
  previewChunks(@CurrentPrincipal() principal: Principal, @Body() dto: PreviewChunksDto): Promise<ChunkPreviewDto> {
    return this.previews.preview(principal, dto);
  }
}
