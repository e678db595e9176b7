import type { Span } from '@opentelemetry/api';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Counter, Histogram } from 'prom-client';
import type { AuthenticatedRequest } from './common/principal.js';
import { parseTraceparent, traceOf } from './common/trace-context.js';
import type { Metrics } from './metrics/metrics.js';
import { beginSpan, contextOf, noteFailure, under } from './tracing/tracing.js';

/** From an answer out of memory to a large upload, in seconds. */
const BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;
/** Any other word that somebody sends as a method counts as `other`. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** Of what leads nowhere. */
const NO_ROUTE = 'none';
const SERVER_ERROR = 500;

/** What operators learn of requests: counted and timed by route, never by address, and as spans while traces are exported. */
export class HttpObservation {
  private readonly requests: Counter<'method' | 'route' | 'status'>;
  private readonly durations: Histogram<'method' | 'route'>;
  /** Found once for each method, route and class of status: looking a label up costs more than counting. */
  private readonly counts = new Map<string, (seconds: number) => void>();
  private readonly spans = new WeakMap<FastifyRequest, Span>();

  constructor(metrics: Metrics) {
    this.requests = metrics.counter('morag_http_requests_total', 'Requests by the class of their answer; a client that hung up is 4xx', ['method', 'route', 'status']);
    this.durations = metrics.histogram('morag_http_request_duration_seconds', 'From the arrival of a request to the end of its answer', BUCKETS, ['method', 'route']);
  }

  /** When the request arrives: gives it its place in a trace. */
  begin(request: FastifyRequest): void {
    const sent = parseTraceparent(request.headers['traceparent']);
    const span = beginSpan(request.method, 'SERVER', sent, { 'http.request.method': request.method, 'morag.request_id': request.id });
    if (span) this.spans.set(request, span);
    request.trace = span ? contextOf(span) : (sent ?? traceOf(request.id));
  }

  /** From here on what is awaited is part of the request's span. */
  follow(server: FastifyInstance): void {
    server.addHook('preHandler', (request, _, done) => under(this.spans.get(request), done));
  }

  /** After the last byte. */
  end(request: FastifyRequest & AuthenticatedRequest, route: string | undefined, status: number, durationMs: number): void {
    const method = METHODS.has(request.method) ? request.method : 'other';
    this.countOf(method, route ?? NO_ROUTE, `${Math.floor(status / 100)}xx`)(durationMs / 1000);
    const span = this.spans.get(request);
    if (!span) return;
    span.updateName(`${method} ${route ?? NO_ROUTE}`).setAttributes({ 'http.response.status_code': status, ...(route !== undefined && { 'http.route': route }), ...(request.user && { 'morag.tenant_id': request.user.tenantId }) });
    if (status >= SERVER_ERROR) noteFailure(span, { code: String(status) });
    span.end();
  }

  private countOf(method: string, route: string, status: string): (seconds: number) => void {
    const key = `${method} ${route} ${status}`;
    const known = this.counts.get(key);
    if (known) return known;
    const [requests, durations] = [this.requests.labels({ method, route, status }), this.durations.labels({ method, route })];
    const count = (seconds: number): void => {
      requests.inc();
      durations.observe(seconds);
    };
    this.counts.set(key, count);
    return count;
  }
}
