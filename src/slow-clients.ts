import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyRequest, FastifyServerOptions } from 'fastify';
import type { AppError } from './common/errors.js';
import { wireProblem } from './common/problem-details.filter.js';
import { ExpectationFailed, HeadersTooLarge, MalformedRequest, MethodUnknown, TooSlow } from './common/request-errors.js';
import { requestId } from './common/request-id.js';

/** How long a client may take over what, in milliseconds. */
export interface Patience {
  /** From the connection, or the end of the request before, until the head of a request is whole. */
  head: number;
  /** How often that is looked at. */
  look: number;
  /** Until a body that is held in memory is whole. A file goes to the disk, and may take as long as it moves. */
  body: number;
  /** A connection on which nothing moves, such as a stalled upload. */
  stalled: number;
  /** A connection between two requests. Longer than proxies keep theirs (60 s), or one of them sends into a connection that just closes. */
  idle: number;
}

export const PATIENCE: Patience = { head: 20_000, look: 5_000, body: 60_000, stalled: 120_000, idle: 72_000 };

/** Of the address and all headers together. */
export const MAX_HEAD_BYTES = 16 * 1024;

/** A line that could be one of HTTP's, but for its method. */
const REQUEST_LINE = /^[A-Z-]{1,32} \S+ HTTP\/1\.[01]\r?\n/;

interface ParserError extends Error {
  code?: string;
  rawPacket?: Buffer;
}

function problemOf({ code, rawPacket }: ParserError): AppError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new TooSlow();
  if (code === 'HPE_HEADER_OVERFLOW') return new HeadersTooLarge();
  if (code === 'HPE_INVALID_METHOD' && REQUEST_LINE.test(rawPacket?.toString('latin1') ?? '')) return new MethodUnknown();
  return new MalformedRequest('This is no HTTP request that can be read.');
}

/** Answers what never becomes a request; Node and Fastify have answers of their own, but in other words. */
function answerUnreadable(error: Error, socket: Socket): void {
  if (socket.writable) socket.write(wireProblem(problemOf(error), requestId()));
  socket.destroy(error);
}

/** For Fastify, which would set no limits of its own here, or other ones. */
export function connectionOptions({ head, look, stalled, idle }: Patience = PATIENCE): Pick<FastifyServerOptions, 'clientErrorHandler' | 'connectionTimeout' | 'keepAliveTimeout'> & { http: object } {
  return {
    clientErrorHandler: answerUnreadable,
    connectionTimeout: stalled,
    keepAliveTimeout: idle,
    http: { headersTimeout: head, connectionsCheckingInterval: look, maxHeaderSize: MAX_HEAD_BYTES, requireHostHeader: false },
  };
}

const isForm = ({ headers }: FastifyRequest): boolean => /^multipart\//i.test(headers['content-type'] ?? '');
const hasBody = ({ headers }: FastifyRequest): boolean => headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';

/** A body that drips in never stalls, so it has a time of its own; the reader of the body gets to hear of the end of it as of a connection that broke. */
function boundBody(raw: IncomingMessage, ms: number): void {
  const timer = setTimeout(() => {
    // Nobody listens once the body has been read or refused.
    if (!raw.complete && raw.listenerCount('error') > 0) raw.emit('error', new TooSlow());
  }, ms);
  timer.unref();
  raw.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
}

/** What Node would answer itself, without a word of ours. Must be called before the routes are registered. */
export function refuseOddRequests(server: FastifyInstance, { body }: Patience = PATIENCE): void {
  server.server.on('checkExpectation', (_: IncomingMessage, response: ServerResponse) => {
    response.socket?.end(wireProblem(new ExpectationFailed(), requestId()));
  });
  server.addHook('onRequest', ({ raw }, _, done) => {
    done(raw.headers.host === undefined && raw.httpVersion === '1.1' ? new MalformedRequest('HTTP/1.1 asks for a Host header.') : undefined);
  });
  server.addHook('preParsing', (request, _, payload, done) => {
    if (hasBody(request) && !isForm(request)) boundBody(request.raw, body);
    done(null, payload);
  });
}
