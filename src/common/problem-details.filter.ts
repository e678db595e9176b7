import { Catch, HttpException, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from './errors.js';
import { headersOfEveryAnswer } from './answer-headers.js';
import type { ProblemDto } from './problem.dto.js';
import { Refusals } from './refusals.js';
import { MalformedRequest, PayloadTooLarge, TooSlow, UnsupportedMediaType } from './request-errors.js';

/** For JSON bodies; files go to disk as they arrive and have a limit of their own. */
export const JSON_BODY_LIMIT_BYTES = 4 * 1024 * 1024;

export class RouteNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is nothing at this address.' });
  }
}

const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

class InternalError extends AppError {
  constructor() {
    super({
      status: 500,
      code: 'internal_error',
      title: 'Internal error',
      detail: 'Something failed on our side and was logged under this request_id.',
      retryable: true,
    });
  }
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  if (typeof error === 'object' && error !== null && 'statusCode' in error && typeof error.statusCode === 'number') return error.statusCode;
  return undefined;
}

/** Errors of the frameworks, told in our words: theirs name parsers and limits a caller never heard of. */
function translate(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const status = statusOf(error);
  if (status === 404) return new RouteNotFound();
  if (status === 408) return new TooSlow();
  if (status === 413) return new PayloadTooLarge('4 MiB for JSON bodies; send larger texts as files to /api/v1/ingest/file');
  if (status === 415) return new UnsupportedMediaType('Send application/json, or multipart/form-data where a file is expected.');
  if (status !== undefined && status >= 400 && status < 500) {
    return new MalformedRequest('The body could not be read: check that it is whole, valid JSON and that Content-Type and Content-Length fit it.');
  }
  return new InternalError();
}

function bodyOf(problem: AppError, request: Pick<FastifyRequest, 'id' | 'url'>): ProblemDto {
  return {
    type: problem.type,
    title: problem.title,
    status: problem.status,
    detail: problem.message,
    instance: request.url.split('?')[0]!,
    code: problem.code,
    request_id: request.id,
    retryable: problem.retryable,
    ...problem.members,
  };
}

/** As nothing else answers for us: a request that is none, such as one whose head does not end, never gets to a route. */
export function wireProblem(problem: AppError, requestId: string): string {
  const body = JSON.stringify(bodyOf(problem, { id: requestId, url: '' }));
  const headers = { ...headersOfEveryAnswer(requestId), 'content-type': PROBLEM_TYPE, 'content-length': String(Buffer.byteLength(body)), connection: 'close' };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${problem.status} ${problem.title}`, ...lines, '', body].join('\r\n');
}

function sendProblem(problem: AppError, body: ProblemDto, reply: FastifyReply): void {
  void reply
    .status(problem.status)
    .headers({ ...problem.headers, 'content-type': PROBLEM_TYPE })
    .send(JSON.stringify(body));
}

/** For an address that the router cannot read, which no hook and no filter gets to see. */
export function refuseAddress(_: Error, request: FastifyRequest, reply: FastifyReply): void {
  reply.headers(headersOfEveryAnswer(request.id));
  const problem = new MalformedRequest('The address cannot be read: check its percent-encoding, and that no part of it is overlong.');
  sendProblem(problem, bodyOf(problem, request), reply);
}

/** The fault of a site that somebody named, which is nothing to tell an operator. */
const OF_OTHERS = new Set([502, 504]);

const logger = new Logger('ProblemDetailsFilter');

/** What an error is on the wire, once what went wrong on our side has been logged; for whoever answers with several of them. */
export function problemOf(error: unknown, request: Pick<FastifyRequest, 'id' | 'url'>): { problem: AppError; body: ProblemDto } {
  const problem = translate(error);
  if (problem.status === 500) logger.error({ err: error, request_id: request.id }, 'unexpected error');
  else if (problem.status > 500 && !OF_OTHERS.has(problem.status)) logger.warn({ err: error, request_id: request.id }, 'something this server needs is away');
  return { problem, body: bodyOf(problem, request) };
}

/** Turns every error into `application/problem+json` (RFC 9457), without stack, SQL or path. */
@Catch()
export class ProblemDetailsFilter implements ExceptionFilter {
  constructor(private readonly refusals: Refusals) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const { problem, body } = problemOf(error, request);
    this.refusals.tell({ request, status: problem.status, code: problem.code });
    // A client that hung up cannot be answered; writing to it would only raise a second error.
    if (reply.sent || reply.raw.destroyed) return;
    sendProblem(problem, body, reply);
  }
}
