import { Body, Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { UntilHungUp } from '../../common/hanging-up.js';
import { CurrentPrincipal, RequirePermission, type Principal } from '../../common/principal.js';
import { TenantConfigurationService } from '../../tenancy/tenant-configuration.service.js';
import { ChunkPreviewDto, ConversionDto, PreviewChunksDto, ProcessFileFormDto, ProcessUrlDto } from '../dto/processing.dto.js';
import { ChunkPreviews } from './chunk-previews.service.js';
import { Conversion } from './conversion.service.js';

/** What is worked on and answered at once; nothing of it is stored. */
@ApiTags('Processing')
@Controller('process')
@RequirePermission('process')
export class ProcessingController {
  constructor(
    private readonly conversion: Conversion,
    private readonly previews: ChunkPreviews,
    private readonly configuration: TenantConfigurationService,
  ) {}

  /** Converts a file to Markdown while you wait, a minute at most, and keeps nothing of it. */
  @Post('file')
  @HttpCode(200)
  @ApiConsumes('multipart/form-data')
  @ApiBody({ type: ProcessFileFormDto })
  async convertFile(@CurrentPrincipal() principal: Principal, @Req() request: FastifyRequest, @UntilHungUp() signal: AbortSignal): Promise<ConversionDto> {
    return this.conversion.ofUpload(request, await this.configuration.forIngestion(principal), signal);
  }

  /** Fetches a page or a file as `/api/v1/ingest/url` does, converts it to Markdown while you wait, and keeps nothing of it. */
  @Post('url')
  @HttpCode(200)
  async convertUrl(@CurrentPrincipal() principal: Principal, @Body() dto: ProcessUrlDto, @UntilHungUp() signal: AbortSignal): Promise<ConversionDto> {
    return this.conversion.ofUrl(dto.url, await this.configuration.forIngestion(principal), signal);
  }

  /** Shows the chunks that ingesting the text with the same options would make. Stores nothing. */
  @Post('chunks')
  @HttpCode(200)
  previewChunks(@CurrentPrincipal() principal: Principal, @Body() dto: PreviewChunksDto): Promise<ChunkPreviewDto> {
    return this.previews.preview(principal, dto);
  }
}
