import { Controller, createParamDecorator, Get, Res, StreamableFile, type ExecutionContext } from '@nestjs/common';
import { ApiHeader, ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentPrincipal, CurrentReadmission, RequirePermission, type Principal, type Readmission } from '../common/principal.js';
import { ValidationFailed } from '../common/request-errors.js';
import { UuidParam } from '../common/validation.js';
import type { JobEventStream } from './job-event-stream.js';
import { JobEventStreams } from './job-event-streams.service.js';

const LARGEST = 2 ** 31 - 1;

/** Null when the client has seen nothing yet. */
const LastEventId = createParamDecorator((_: unknown, context: ExecutionContext): number | null => {
  const text = context.switchToHttp().getRequest<FastifyRequest>().headers['last-event-id'];
  if (text === undefined || text === '') return null;
  if (typeof text !== 'string' || !/^\d{1,10}$/.test(text) || Number(text) > LARGEST) throw new ValidationFailed([{ field: 'Last-Event-ID', message: 'Last-Event-ID must be the id of an earlier event' }]);
  return Number(text);
});

/** 204 tells an `EventSource` not to come back. */
function answerWith(reply: FastifyReply, stream: JobEventStream | null): StreamableFile | undefined {
  if (!stream) {
    reply.status(204);
    return undefined;
  }
  // nginx would else collect events until it has a page of them.
  reply.header('x-accel-buffering', 'no');
  return new StreamableFile(stream, { type: 'text/event-stream; charset=utf-8' });
}

@ApiTags('Jobs')
@Controller('api/v1/jobs')
@RequirePermission('read')
export class JobEventsController {
  constructor(private readonly streams: JobEventStreams) {}

  /**
   * Watches a job, as server-sent events.
   * @remarks
   * Each has the whole job as its data, in the shape of `GET /jobs/{id}`, and is a `status` (also the first one,
   * which says how the job is), a `progress` or the `end`, after which the stream ends. Its `id` rises; sent as `Last-Event-ID`, nothing is lost
   * or repeated after a break. When that was the end of a job that has not been tried again, the answer is 204. Events are kept for a day after
   * the end. The stream also ends when the credential does, or the server stops: come back with the last id.
   */
  @Get(':id/events')
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'The id of the last event that was seen.', schema: { type: 'integer', minimum: 0 } })
  @ApiOkResponse({
    description: 'The events, until the job ends',
    content: { 'text/event-stream': { schema: { type: 'string' }, example: 'id: 3\nevent: progress\ndata: {"id":"…","status":"PROCESSING","percentage":30,"stage":"chunking"}\n\n' } },
  })
  @ApiNoContentResponse({ description: 'The end was seen already, and nothing follows' })
  async watch(
    @CurrentPrincipal() principal: Principal,
    @UuidParam() id: string,
    @LastEventId() lastEventId: number | null,
    @CurrentReadmission() readmit: Readmission,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile | undefined> {
    return answerWith(reply, await this.streams.open(principal, id, lastEventId, readmit));
  }
}
