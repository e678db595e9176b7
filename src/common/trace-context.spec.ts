import { formatTraceparent, parseTraceparent, traceOf } from './trace-context.js';

const TRACE = 'c0ffee00c0ffee00c0ffee00c0ffee05';
const SPAN = '00f067aa0ba902b7';

describe('a traceparent', () => {
  it.each([`00-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-00`, `01-${TRACE}-${SPAN}-ff`])('is read from %s', (text) => {
    expect(parseTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN });
  });

  it.each([undefined, '', [`00-${TRACE}-${SPAN}-01`], `00-${TRACE}-${SPAN}`, `00-${TRACE.toUpperCase()}-${SPAN}-01`, `00-${'0'.repeat(32)}-${SPAN}-01`, `00-${TRACE}-${'0'.repeat(16)}-01`, `ff-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-01\n`, `00-${TRACE}-${SPAN}-01-x`])(
    'is not read from %j',
    (text) => expect(parseTraceparent(text)).toBeUndefined(),
  );

  it('goes to other processes and is read there, also of a trace that has no span yet', () => {
    expect(parseTraceparent(formatTraceparent({ traceId: TRACE, spanId: SPAN }))).toEqual({ traceId: TRACE, spanId: SPAN });
    expect(parseTraceparent(formatTraceparent(traceOf('01a21802-c6cb-75be-8cb7-cfafe7f4cdfe')))?.traceId).toBe('01a21802c6cb75be8cb7cfafe7f4cdfe');
  });
});
