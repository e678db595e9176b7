import { Body, Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CurrentPrincipal, RequirePermission, type Principal } from '../common/principal.js';
import { problemOf } from '../common/problem-details.filter.js';
import { Idempotent } from '../idempotency/idempotent.js';
import { DocumentBatches } from './document-batches.service.js';
import { DocumentBatchDto, DocumentBatchResultDto } from './dto/document-batch.dto.js';

@ApiTags('Documents')
@Controller('api/v1/documents/batch')
export class DocumentBatchesController {
  constructor(private readonly batches: DocumentBatches) {}

  /** Does the same to up to 1,000 documents, each by itself: what cannot be done to one of them is told in `failed` and keeps none of the others. */
  @Post()
  @Idempotent()
  @HttpCode(200)
  @RequirePermission('write')
  run(@CurrentPrincipal() principal: Principal, @Body() dto: DocumentBatchDto, @Req() request: FastifyRequest): Promise<DocumentBatchResultDto> {
    return this.batches.run(principal, dto, (error) => problemOf(error, request).body);
  }
}
