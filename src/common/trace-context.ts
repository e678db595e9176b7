/** Where something stands in a trace (W3C Trace Context): which trace it is, and which span of it comes before. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits; null where nothing comes before. */
  readonly spanId: string | null;
}

const TRACEPARENT = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}$/;
const isZero = (id: string): boolean => /^0+$/.test(id);

/**
 * Reads a `traceparent`; undefined unless it is exactly what the standard allows. Only the two ids are taken, which say nothing by themselves:
 * whether a trace is recorded is ours to decide, so the flags do not count, and `tracestate` and `baggage`, which may be any text, are not read.
 */
export function parseTraceparent(text: unknown): TraceContext | undefined {
  const [, traceId, spanId] = (typeof text === 'string' && TRACEPARENT.exec(text)) || [];
  if (traceId === undefined || spanId === undefined || isZero(traceId) || isZero(spanId) || String(text).startsWith('ff')) return undefined;
  return { traceId, spanId };
}

/** For what goes to another process of ours; what has no span yet is made to come after one that nobody has. */
export function formatTraceparent({ traceId, spanId }: TraceContext): string {
  return `00-${traceId}-${spanId ?? traceId.slice(16)}-00`;
}

/** The trace of what began with this UUID: its digits are as long, and of version 4 and 7 the last ones are as random as the standard asks. */
export const traceOf = (uuid: string): TraceContext => ({ traceId: uuid.replaceAll('-', ''), spanId: null });
