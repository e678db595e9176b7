import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startTracing } from './start-tracing.js';
import { beginSpan, inSpan, isTracing, under } from './tracing.js';

describe('traces', () => {
  let collector: Server;
  let received: string[];
  let isSilent: boolean;
  const warnings: string[] = [];
  const start = (share: number) => startTracing({ version: '1', share, warn: (message) => warnings.push(message) });

  beforeEach(async () => {
    received = [];
    isSilent = false;
    collector = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (part: string) => (body += part));
      request.on('end', () => {
        received.push(body);
        collector.emit('received');
        if (!isSilent) response.end('{}');
      });
    });
    await once(collector.listen(0, '127.0.0.1'), 'listening');
    process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
    collector.closeAllConnections();
    collector.close();
    await once(collector, 'close');
  });

  const work = async (): Promise<void> => {
    const span = beginSpan('request', 'SERVER', { traceId: 'c0ffee00c0ffee00c0ffee00c0ffee04', spanId: '00f067aa0ba902b7' });
    await under(span, () => inSpan('inner', 'INTERNAL', {}, async () => undefined));
    await under(span, () => inSpan('failing', 'CLIENT', {}, () => Promise.reject(Object.assign(new Error('a secret'), { code: '22P02' })))).catch(() => undefined);
    span?.end();
  };

  it('are none where nobody asked for them', async () => {
    expect(beginSpan('request', 'SERVER', undefined)).toBeUndefined();
    expect(await inSpan('inner', 'INTERNAL', {}, async (span) => span)).toBeUndefined();
    expect(isTracing()).toBe(false);
  });

  it('are delivered at the end, and tell of errors their code alone', async () => {
    const stop = await start(1);
    // By the clock, hence in no trace.
    await inSpan('background', 'INTERNAL', {}, async () => undefined);
    await work();
    await stop();
    const text = received.join('\n');
    for (const told of ['"request"', '"inner"', '"failing"', '22P02', 'c0ffee00c0ffee00c0ffee00c0ffee04', '00f067aa0ba902b7']) expect(text).toContain(told);
    expect(text).not.toMatch(/secret|background/);
  });

  it('are as many as were asked for, whatever their callers want', async () => {
    const stop = await start(0);
    await work();
    await stop();
    expect(received).toEqual([]);
  });

  it('hold up no shutdown when the collector does not answer', async () => {
    isSilent = true;
    const stop = await start(1);
    await work();
    const arrived = once(collector, 'received');
    await stop(50);
    // What was sent may be on its way for longer than anybody waits for an answer.
    await arrived;
    expect(received).toHaveLength(1);
    expect(warnings.join()).toContain('the last spans were not delivered');
  });
});
