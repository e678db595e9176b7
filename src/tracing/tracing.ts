import { AsyncLocalStorage } from 'node:async_hooks';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Attributes, type Span, type Tracer } from '@opentelemetry/api';
import { errorCode } from '../common/error-code.js';
import { currentTrace } from '../common/request-context.js';
import type { TraceContext } from '../common/trace-context.js';

/** Whether somebody else waits for it (`SERVER`, `CONSUMER`), or it waits for somebody else (`CLIENT`). */
export type Kind = keyof typeof SpanKind;

const spans = new AsyncLocalStorage<Span>();
let tracer: Tracer | undefined;

/** From here on spans are made; undefined ends that. */
export function traceWith(next: Tracer | undefined): void {
  tracer = next;
}

/** Whether there is a span that others would be within. Without an exporter nothing here costs more than asking this. */
export const isTracing = (): boolean => tracer !== undefined && spans.getStore() !== undefined;

/** Undefined unless traces are exported. Whoever begins it ends it. */
export function beginSpan(name: string, kind: Kind, parent: TraceContext | undefined, attributes?: Attributes): Span | undefined {
  if (!tracer) return undefined;
  const before = parent?.spanId ? trace.setSpanContext(ROOT_CONTEXT, { traceId: parent.traceId, spanId: parent.spanId, traceFlags: 0, isRemote: true }) : ROOT_CONTEXT;
  return tracer.startSpan(name, { kind: SpanKind[kind], ...(attributes && { attributes }) }, before);
}

export function contextOf(span: Span): TraceContext {
  const { traceId, spanId } = span.spanContext();
  return { traceId, spanId };
}

/** What `work` begins comes after `span`, or as before when there is none. */
export const under = <T>(span: Span | undefined, work: () => T): T => (span ? spans.run(span, work) : work());

/** The innermost span of this process, or else the request or work that is under way. */
export function currentContext(): TraceContext | undefined {
  const span = spans.getStore();
  return span ? contextOf(span) : currentTrace();
}

/**
 * Of an error its code and class at most: a message, such as PostgreSQL's about a value that it cannot read, may carry what somebody sent.
 */
export function noteFailure(span: Span, error: unknown): void {
  span.setAttribute('error.type', errorCode(error) || Object(error).constructor?.name || 'unknown').setStatus({ code: SpanStatusCode.ERROR });
}

/**
 * Runs `work` as a span within the one that is under way. Undefined is handed to it when nothing is recorded: without an exporter, and outside of
 * requests and jobs, since what a process does by the clock would be a trace every second.
 */
export function inSpan<T>(name: string, kind: Kind, attributes: Attributes, work: (span: Span | undefined) => Promise<T>): Promise<T> {
  const parent = tracer && spans.getStore();
  return tracer && parent ? record(tracer.startSpan(name, { kind: SpanKind[kind], attributes }, trace.setSpan(ROOT_CONTEXT, parent)), work) : work(undefined);
}

async function record<T>(span: Span, work: (span: Span) => Promise<T>): Promise<T> {
  try {
    return await spans.run(span, () => work(span));
  } catch (error) {
    noteFailure(span, error);
    throw error;
  } finally {
    span.end();
  }
}
