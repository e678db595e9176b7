import { fastify, type FastifyInstance } from 'fastify';
import { drainBeforeClose } from './http-surface.js';

describe('draining', () => {
  let server: FastifyInstance;
  let address: string;
  const unhandled: unknown[] = [];
  const remember = (reason: unknown): void => void unhandled.push(reason);

  beforeEach(async () => {
    process.on('unhandledRejection', remember);
    server = fastify({ forceCloseConnections: true });
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
});
