import { isUtf8 } from 'node:buffer';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AppError } from './common/errors.js';
import { RouteNotFound } from './common/problem-details.filter.js';
import { MalformedRequest, UnsupportedMediaType } from './common/request-errors.js';

/** What a pure worker answers to everything but the operator's addresses. */
export class JobsOnly extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'This process runs jobs; ask one whose ROLE is api.' });
  }
}

class MethodNotAllowed extends AppError {
  constructor(allowed: readonly string[]) {
    const allow = allowed.join(', ');
    super({ status: 405, code: 'method_not_allowed', title: 'Method not allowed', detail: `This address answers ${allow}.`, headers: { Allow: allow }, members: { allowed } });
  }
}

function matcherOf(pattern: string): RegExp {
  const source = pattern
    .split('/')
    .map((segment) => (segment.startsWith(':') ? '[^/]+' : segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
    .join('/');
  return new RegExp(`^${source}/?$`);
}

/** With CORS, every address has a route for OPTIONS, which is for preflights only. */
function isPlainOptions({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && (headers.origin === undefined || headers['access-control-request-method'] === undefined);
}

/**
 * Tells an address that does not exist from one that does under another method (RFC 9110, 15.5.6).
 * Must be called before the routes are registered.
 */
export function refuseOtherMethods(server: FastifyInstance): void {
  const methods = new Map<string, Set<string>>();
  const matchers = new Map<string, RegExp>();
  server.addHook('onRoute', ({ method, url }) => {
    const known = methods.get(url) ?? new Set<string>();
    for (const name of [method].flat()) known.add(name);
    methods.set(url, known);
    if (!url.includes('*')) matchers.set(url, matcherOf(url));
  });
  server.addHook('onRequest', (request, _, done) => {
    if (!request.is404 && !isPlainOptions(request)) return done();
    const path = request.url.split('?')[0] ?? '';
    const allowed = [...matchers].flatMap(([url, matcher]) => (matcher.test(path) ? [...(methods.get(url) ?? [])] : []));
    if (allowed.length > 0) done(new MethodNotAllowed(allowed));
    else done(request.is404 ? undefined : new RouteNotFound());
  });
}

const CHARSET = /;\s*charset\s*=\s*"?([^\s;"]+)/i;

/**
 * JSON and multipart are all that is read. A body that is declared JSON and empty is no body: many clients declare every DELETE so.
 * JSON is UTF-8 (RFC 8259, 8.1): decoded leniently, other bytes would be stored as replacement characters, and the client would never hear of it.
 */
export function readJsonOnly(server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('error', 'error');
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const charset = CHARSET.exec(request.headers['content-type'] ?? '')?.[1];
    if (charset !== undefined && !/^utf-?8$/i.test(charset)) done(new UnsupportedMediaType('JSON is read as UTF-8 only.'));
    else if (body.length === 0) done(null, undefined);
    else if (!isUtf8(body as Buffer)) done(new MalformedRequest('The body is not UTF-8.'));
    else void parse(request, body.toString(), done);
  });
}

/** A request that is not answered by then, such as an upload that stalled, does not hold up the rest of the shutdown. */
const DRAIN_MS = 12_000;
/** Who has connected just before sends a request within this time, or is cut off. */
const SETTLE_MS = 1000;
/** Node accepts one connection a turn of its loop: so many may wait for that. */
const TURNS = 50;

/**
 * Lets every accepted request have its answer before the connections are closed. Nobody new is let in meanwhile: a proxy whose connection is refused
 * asks another process, even with a POST; one that is answered 503, or cut off, may not.
 */
export function drainBeforeClose(server: FastifyInstance): void {
  let pending = 0;
  let onDrained: (() => void) | undefined;
  // `close` comes after the last byte, also when the client hangs up and after an error, which is not ours to report here.
  const onClose = (): void => {
    pending -= 1;
    if (pending === 0) onDrained?.();
  };
  server.addHook('onRequest', (_, reply, done) => {
    pending += 1;
    reply.raw.once('close', onClose);
    done();
  });
  server.addHook('preClose', async () => {
    // Whoever still waits to be accepted when the port is closed has connected, and is cut off.
    for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => void setImmediate(resolve));
    const closed = new Promise<void>((resolve) => void server.server.close(() => resolve()));
    await Promise.race([closed, delay(SETTLE_MS, undefined, { ref: false })]);
    if (pending === 0) return;
    const drained = new Promise<void>((resolve) => (onDrained = resolve));
    await Promise.race([drained, delay(DRAIN_MS, undefined, { ref: false })]);
  });
}
