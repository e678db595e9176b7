import { once } from 'node:events';
import { connect } from 'node:net';
import { fastify, type FastifyInstance } from 'fastify';
import { AppError } from './common/errors.js';
import { drainBeforeClose } from './http-surface.js';

describe('draining', () => {
  let server: FastifyInstance;
  let address: string;
  const unhandled: unknown[] = [];
  const remember = (reason: unknown): void => void unhandled.push(reason);

  beforeEach(async () => {
    process.on('unhandledRejection', remember);
    server = fastify({ forceCloseConnections: true, return503OnClosing: false });
    server.setErrorHandler((error, _, reply) => void reply.status(error instanceof AppError ? error.status : 500).send({ code: error instanceof AppError ? error.code : '' }));
    drainBeforeClose(server);
    server.get('/broken', (_, reply) => {
      reply.hijack();
      reply.raw.on('error', () => undefined);
      reply.raw.emit('error', new Error('the answer broke'));
      reply.raw.destroy();
    });
    server.get('/slow', async () => {
      void server.close();
      await new Promise((resolve) => setTimeout(resolve, 100));
      return 'whole';
    });
    address = await server.listen({ port: 0, host: '127.0.0.1' });
  });
  afterEach(async () => {
    await server.close();
    process.off('unhandledRejection', remember);
  });

  it('survives an answer that breaks', async () => {
    await expect(fetch(`${address}/broken`)).rejects.toThrow();
    await server.close();
    expect(unhandled).toEqual([]);
  });

  it('gives the request under way its whole answer before the connections close', async () => {
    expect(await (await fetch(`${address}/slow`)).text()).toBe('whole');
  });

  it('tells whoever asks on a connection that was open before that it ends', async () => {
    const before = connect(Number(new URL(address).port), '127.0.0.1').setEncoding('utf8').on('error', () => undefined);
    await once(before, 'connect');
    const slow = fetch(`${address}/slow`);
    let said = '';
    before.on('data', (text: string) => (said += text));
    // The first of these may still come before the end has begun.
    const asking = setInterval(() => before.write('GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n'), 20);
    expect(await (await slow).text()).toBe('whole');
    if (!before.closed) await new Promise((resolve) => before.once('close', resolve));
    clearInterval(asking);
    expect(said).toMatch(/HTTP\/1\.1 503 [^]*connection: close[^]*"code":"shutting_down"/i);
  });
});
