import 'reflect-metadata';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../config/config.js';
import { MetricsController } from './metrics.controller.js';
import { MetricsHidden } from './metrics.errors.js';
import { Metrics } from './metrics.js';

const TOKEN = 'a-token-of-the-operator';
const metrics = new Metrics();

/** What is answered to this header, under these settings; null for nothing. */
async function read(env: { NODE_ENV: string; METRICS_TOKEN?: string }, authorization?: string): Promise<string | null> {
  let sent: string | null = null;
  const reply = { type: () => reply, send: (text: string) => (sent = text) } as unknown as FastifyReply;
  const request = { headers: authorization === undefined ? {} : { authorization } } as FastifyRequest;
  try {
    await new MetricsController({ env } as unknown as Config, metrics).read(request, reply);
  } catch (error) {
    if (!(error instanceof MetricsHidden)) throw error;
  }
  return sent;
}

describe('/metrics', () => {
  it('is not there in production without a token of the operator', async () => {
    for (const authorization of [undefined, '', 'Bearer ', 'Bearer undefined', 'Bearer null']) expect(await read({ NODE_ENV: 'production' }, authorization)).toBeNull();
  });

  it.each(['production', 'development'])('takes the very token and nothing like it, in %s', async (NODE_ENV) => {
    const env = { NODE_ENV, METRICS_TOKEN: TOKEN };
    expect(await read(env, `Bearer ${TOKEN}`)).toEqual(expect.any(String));
    for (const authorization of [undefined, TOKEN, `bearer ${TOKEN}`, `Bearer ${TOKEN} `, `Bearer ${TOKEN.slice(1)}`, `Bearer ${TOKEN.toUpperCase()}`, `Basic ${TOKEN}`]) expect(await read(env, authorization)).toBeNull();
  });

  it('is open in development, where nobody has set one', async () => {
    expect(await read({ NODE_ENV: 'development' })).toEqual(expect.any(String));
  });
});
