import { Body, Controller, Get, HttpCode, Post, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { UntilHungUp } from '../../common/hanging-up.js';
import { CurrentPrincipal, RequirePermission, type Principal } from '../../common/principal.js';
import { problemOf } from '../../common/problem-details.filter.js';
import { UuidParam } from '../../common/validation.js';
import { Idempotent } from '../../idempotency/idempotent.js';
import { TenantConfigurationService } from '../../tenancy/tenant-configuration.service.js';
import { BatchAcceptedDto, BatchDto, IngestBatchDto } from '../dto/batch.dto.js';
import { IngestBatches } from './ingest-batches.service.js';

@ApiTags('Ingestion')
@Controller('api/v1/ingest/batch')
export class IngestBatchesController {
  constructor(
    private readonly batches: IngestBatches,
    private readonly configuration: TenantConfigurationService,
  ) {}

  /**
   * Sends up to 100 texts and URLs at once, into one database. Each is accepted or rejected by itself.
   *
   * The answer is 202 even when every item was rejected: look at `rejected`. URLs are fetched while you wait, eight at a time and for 45 seconds
   * altogether; one that was not there by then is rejected with `batch_out_of_time`, and may be sent again. A form that is wrong anywhere, an unknown
   * database and `chunk_overlap >= chunk_size` refuse the whole batch, of which nothing is kept then.
   */
  @Post()
  @Idempotent()
  @HttpCode(202)
  @RequirePermission('ingest')
  async ingest(@CurrentPrincipal() principal: Principal, @Body() dto: IngestBatchDto, @Req() request: FastifyRequest, @UntilHungUp() signal: AbortSignal): Promise<BatchAcceptedDto> {
    return this.batches.ingest(principal, await this.configuration.forIngestion(principal), dto, { signal, problemOf: (error) => problemOf(error, request).body });
  }

  /** How far a batch is. */
  @Get(':id')
  @RequirePermission('read')
  get(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<BatchDto> {
    return this.batches.get(principal, id);
  }
}
