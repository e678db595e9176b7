import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fastify, type FastifyInstance } from 'fastify';
import { AppError } from './common/errors.js';
import { drainBeforeClose } from './http-surface.js';

describe('draining', () => {
  let server: FastifyInstance;
  let address: string;
  /** What the slow answer waits for. */
  let hold: () => Promise<unknown>;
  const unhandled: unknown[] = [];
  const remember = (reason: unknown): void => void unhandled.push(reason);

  beforeEach(async () => {
    process.on('unhandledRejection', remember);
    hold = () => delay(100);
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
      await hold();
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

  it('answers whoever asks for more on a connection that is open, and then closes it', async () => {
    const { promise: hasAskedMore, resolve: askedMore } = Promise.withResolvers<unknown>();
    hold = () => hasAskedMore;
    const socket = connect(Number(new URL(address).port), '127.0.0.1').setEncoding('utf8').on('error', () => undefined);
    let said = '';
    socket.on('data', (text: string) => (said += text));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
    // By then the server knows that it closes, and has yet to answer.
    await once(server.server, 'request');
    const more = once(server.server, 'request');
    socket.write('GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n');
    askedMore(await more);
    await closed;
    expect(said).toMatch(/HTTP\/1\.1 200 [^]*whole[^]*HTTP\/1\.1 404 [^]*connection: close/i);
  });
});
