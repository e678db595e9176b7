import cors from '@fastify/cors';
import multipart from '@fastify/multipart';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { AppModule } from './app.module.js';
import { headersOfEveryAnswer } from './common/answer-headers.js';
import { NestLogger, withoutRedaction } from './common/logging.js';
import { JSON_BODY_LIMIT_BYTES, refuseAddress } from './common/problem-details.filter.js';
import type { AuthenticatedRequest } from './common/principal.js';
import { requestId } from './common/request-id.js';
import { HttpObservation } from './http-observation.js';
import { rememberRequests } from './common/request-context.js';
import type { Config } from './config/config.js';
import { drainBeforeClose, JobsOnly, readJsonOnly, refuseOtherMethods } from './http-surface.js';
import { serveDocs } from './openapi.js';
import { Metrics } from './metrics/metrics.js';
import { connectionOptions, refuseOddRequests } from './slow-clients.js';
import { UsageService } from './tenancy/usage.service.js';
import { transferredBytes } from './transferred-bytes.js';

function adapterFor(config: Config): FastifyAdapter {
  return new FastifyAdapter({
    trustProxy: config.env.TRUSTED_PROXIES.length > 0 ? config.env.TRUSTED_PROXIES : false,
    bodyLimit: JSON_BODY_LIMIT_BYTES,
    genReqId: requestId,
    frameworkErrors: refuseAddress,
    // Once `drainBeforeClose` has waited for the requests: a connection that is idle, or was never used, would hold up a shutdown for a minute.
    forceCloseConnections: true,
    // `drainBeforeClose` lets nobody in any more; who is in gets a proper answer.
    return503OnClosing: false,
    ...connectionOptions(),
    // Also bounds the hooks of a shutdown, and has to leave `drainBeforeClose` its time.
    pluginTimeout: 20_000,
    logger: false,
  });
}

async function registerPlugins(app: NestFastifyApplication, config: Config): Promise<void> {
  await app.register(multipart, {
    throwFileSizeLimit: false,
    // One byte more than allowed tells a file that is too large from one that just fits.
    limits: { fileSize: config.maxUploadBytes + 1, files: 1, fields: 20, parts: 21, fieldNameSize: 100, fieldSize: 256 * 1024, headerPairs: 50 },
  });
}

/** Registered after our own hooks, and not by Nest's `enableCors`, which would come before them: a preflight is an answer like every other. */
function allowOrigins(server: FastifyInstance, { env }: Config): void {
  if (env.CORS_ORIGINS.length === 0) return;
  // Not waited for: what was registered is loaded with the routes.
  void server.register(cors, {
    origin: env.CORS_ORIGINS,
    credentials: false,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: ['Authorization', 'X-API-Key', 'Content-Type', 'Idempotency-Key', 'Last-Event-ID'],
    exposedHeaders: ['X-Request-Id', 'Retry-After', 'RateLimit', 'RateLimit-Policy', 'WWW-Authenticate', 'Content-Disposition', 'Idempotency-Replayed'],
    maxAge: 600,
  });
}

/** What proxies write into their logs for a client that hung up before it had the whole answer. */
const CLIENT_CLOSED_REQUEST = 499;

function addHooks(app: NestFastifyApplication, config: Config, logger: Logger): void {
  const server = app.getHttpAdapter().getInstance();
  const usage = app.get(UsageService, { strict: false });
  const accessLog = withoutRedaction(logger);
  const observation = new HttpObservation(app.get(Metrics, { strict: false }));
  const account = (request: FastifyRequest & AuthenticatedRequest, reply: FastifyReply): void => {
    const { method, user } = request;
    // Fastify makes these options anew whenever they are asked for.
    const { url } = request.routeOptions;
    const status = reply.raw.writableFinished ? reply.statusCode : CLIENT_CLOSED_REQUEST;
    const durationMs = reply.elapsedTime;
    const bytes = transferredBytes(request, reply);
    observation.end(request, url, status, durationMs);
    if (user) usage.count(user, { route: `${method} ${url ?? ''}`, status, durationMs, ...bytes });
    accessLog.info({
      request_id: request.id,
      method,
      // The route, not the address: an address may carry what should not be logged.
      route: url ?? 'none',
      status,
      ms: Math.round(durationMs * 10) / 10,
      tenant_id: user?.tenantId,
      trace_id: request.trace.traceId,
    });
  };
  observation.follow(server);
  const jobsOnly = config.env.ROLE === 'worker';
  // What a worker counts is shown by nobody else.
  const forOperators = /^\/(?:health|metrics)\b/;
  // Hooks that call back: each that answers a promise costs every request a turn of the queue.
  server.addHook('onRequest', (request, reply, done) => {
    observation.begin(request);
    // Not an interceptor: those never see what a guard refused, and a 403 or 429 is usage too. Not `onResponse`: it never comes when the client hangs up.
    reply.raw.once('close', () => account(request, reply));
    reply.headers(headersOfEveryAnswer(request.id));
    done(jobsOnly && !forOperators.test(request.url) ? new JobsOnly() : undefined);
  });
  server.addHook('onResponse', (request, _, done) => {
    // An upload that was refused half-way: what is left of it would stand before the connection's next request for ever.
    request.raw.resume();
    done();
  });
}

/** Builds the server around an open database; it listens once `listen` is called. */
export async function createApp(config: Config, databaseUrl: string, logger: Logger): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(config, databaseUrl), adapterFor(config), {
    logger: new NestLogger(logger),
    abortOnError: false,
    bodyParser: false,
  });
  const server: FastifyInstance = app.getHttpAdapter().getInstance();
  readJsonOnly(server);
  await registerPlugins(app, config);
  drainBeforeClose(server);
  addHooks(app, config, logger);
  rememberRequests(server);
  refuseOddRequests(server);
  refuseOtherMethods(server);
  allowOrigins(server, config);
  if (config.docsEnabled) serveDocs(app);
  return app;
}
