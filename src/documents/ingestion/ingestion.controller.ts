import { Body, Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { UntilHungUp } from '../../common/hanging-up.js';
import { CurrentPrincipal, RequirePermission, type Principal } from '../../common/principal.js';
import { Idempotent } from '../../idempotency/idempotent.js';
import { TenantConfigurationService } from '../../tenancy/tenant-configuration.service.js';
import { AcceptedDto, IngestFileFormDto, IngestTextDto, IngestUrlDto } from '../dto/ingest.dto.js';
import { FileUpload } from './file-upload.js';
import { IntakeService } from './intake.service.js';
import { UrlIngestion } from './url-ingestion.service.js';

@ApiTags('Ingestion')
@Controller('api/v1/ingest')
@RequirePermission('ingest')
export class IngestionController {
  constructor(
    private readonly intake: IntakeService,
    private readonly upload: FileUpload,
    private readonly urls: UrlIngestion,
    private readonly configuration: TenantConfigurationService,
  ) {}

  /** Sends a file. 202 means that it is safe on disk and will be processed. */
  @Post('file')
  @Idempotent({ isForm: true })
  @HttpCode(202)
  @ApiConsumes('multipart/form-data')
  @ApiBody({ type: IngestFileFormDto })
  async ingestFile(@CurrentPrincipal() principal: Principal, @Req() request: FastifyRequest): Promise<AcceptedDto> {
    const settings = await this.configuration.forIngestion(principal);
    const { file, dto } = await this.upload.read(request, principal, settings);
    return this.intake.accept(principal, settings, file, dto);
  }

  /** Sends a text. 202 means that it is safe on disk and will be processed. */
  @Post('text')
  @Idempotent()
  @HttpCode(202)
  async ingestText(@CurrentPrincipal() principal: Principal, @Body() dto: IngestTextDto): Promise<AcceptedDto> {
    return this.intake.ingestText(principal, await this.configuration.forIngestion(principal), dto);
  }

  /**
   * Fetches a page or a file while you wait, 30 seconds at most. 202 means that it is safe on disk and will be processed.
   *
   * Up to three redirects are followed, each checked like the first address. An address that is blocked, unknown or refuses is `url_not_allowed`,
   * whichever of them it is; one that answers something else than 2xx is `url_answered`, with its status in `url_status`.
   */
  @Post('url')
  @Idempotent()
  @HttpCode(202)
  async ingestUrl(@CurrentPrincipal() principal: Principal, @Body() dto: IngestUrlDto, @UntilHungUp() signal: AbortSignal): Promise<AcceptedDto> {
    return this.urls.ingest(principal, await this.configuration.forIngestion(principal), dto, signal);
  }
}
