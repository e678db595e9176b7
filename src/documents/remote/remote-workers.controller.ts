import { Body, Controller, Get, HttpCode, Post, Query, Res, StreamableFile } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentPrincipal, RequirePermission, type Principal } from '../../common/principal.js';
import { UuidParam } from '../../common/validation.js';
import { AcceptedDto } from '../dto/ingest.dto.js';
import { CompleteRemoteJobDto, FailedRemoteJobDto, FailRemoteJobDto, LeasedRemoteJobDto, LeaseRemoteJobDto, RemoteContentQueryDto, RemoteHeartbeatDto, RenewedRemoteLeaseDto, type RemoteJobDto } from './remote.dto.js';
import { RemoteWorkers } from './remote-workers.service.js';

/** 204 when there is nothing to do. */
function answerWith(reply: FastifyReply, job: RemoteJobDto | null): LeasedRemoteJobDto | undefined {
  reply.status(job ? 200 : 204);
  return job ? { job } : undefined;
}

@ApiTags('Remote workers')
@Controller('api/v1/remote')
@RequirePermission('process')
export class RemoteWorkersController {
  constructor(private readonly workers: RemoteWorkers) {}

  /**
   * Leases the next job that needs a worker elsewhere, for a minute.
   * @remarks
   * Such are audio, video and images, which this server cannot read itself. Fetch the file, send a heartbeat every `heartbeat_seconds`, and
   * hand in the text with `complete`, or say with `fail` why there is none. A worker that falls silent loses the job to another.
   */
  @Post('lease')
  @ApiOkResponse({ description: 'The job, which is the worker’s until `lease_expires_at`', type: LeasedRemoteJobDto })
  @ApiNoContentResponse({ description: 'No job waits' })
  async lease(@CurrentPrincipal() principal: Principal, @Body() dto: LeaseRemoteJobDto, @Res({ passthrough: true }) reply: FastifyReply): Promise<LeasedRemoteJobDto | undefined> {
    return answerWith(reply, await this.workers.lease(principal, dto.types));
  }

  /** Sends the file of a leased job; 409 `lease_lost` when the lease has ended. */
  @Get('jobs/:id/content')
  @ApiOkResponse({ description: 'The file as it was ingested', content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } })
  async content(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Query() query: RemoteContentQueryDto): Promise<StreamableFile> {
    const { file, mediaType } = await this.workers.openContent(principal, id, query.attempt);
    return new StreamableFile(file.stream, { type: mediaType, length: file.sizeBytes, disposition: 'attachment' });
  }

  /** Keeps a leased job for another minute; 409 `lease_lost` when it was cancelled, or given to another worker. */
  @Post('jobs/:id/heartbeat')
  @HttpCode(200)
  heartbeat(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: RemoteHeartbeatDto): Promise<RenewedRemoteLeaseDto> {
    return this.workers.heartbeat(principal, id, dto);
  }

  /** Hands in the text of a leased job, which is cut, embedded and stored here like any other; 409 `lease_lost` when it is another's by now. */
  @Post('jobs/:id/complete')
  @HttpCode(202)
  complete(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: CompleteRemoteJobDto): Promise<AcceptedDto> {
    return this.workers.complete(principal, id, dto);
  }

  /** Says why a leased job came to nothing. If it may help and attempts are left, it waits for a worker again; otherwise it has failed. */
  @Post('jobs/:id/fail')
  @HttpCode(200)
  fail(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: FailRemoteJobDto): Promise<FailedRemoteJobDto> {
    return this.workers.fail(principal, id, dto);
  }
}
