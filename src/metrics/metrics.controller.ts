import { timingSafeEqual } from 'node:crypto';
import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../common/principal.js';
import { sha256 } from '../common/secrets.js';
import { Config } from '../config/config.js';
import { MetricsHidden } from './metrics.errors.js';
import { Metrics } from './metrics.js';

/** For the operator's Prometheus alone: in production it takes the token, and without one there is nothing here. */
@ApiTags('Operations')
@Controller('metrics')
@Public()
export class MetricsController {
  constructor(
    private readonly config: Config,
    private readonly metrics: Metrics,
  ) {}

  /** What this process counts and measures, for Prometheus; nothing of it tells of a tenant. In production it takes `METRICS_TOKEN` as a bearer token. */
  @Get()
  @ApiProduces('text/plain')
  @ApiOkResponse({ type: String })
  async read(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    if (!this.isOpenTo(request.headers.authorization)) throw new MetricsHidden();
    await reply.type(this.metrics.registry.contentType).send(await this.metrics.registry.metrics());
  }

  private isOpenTo(authorization: string | undefined): boolean {
    const { METRICS_TOKEN, NODE_ENV } = this.config.env;
    if (METRICS_TOKEN === undefined) return NODE_ENV !== 'production';
    return timingSafeEqual(sha256(authorization ?? ''), sha256(`Bearer ${METRICS_TOKEN}`));
  }
}
