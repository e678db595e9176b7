import { AsyncLocalStorage } from 'node:async_hooks';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { AuthenticatedRequest, RefusedIdentity } from './principal.js';
import type { TraceContext } from './trace-context.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set when the request arrives. */
    trace: TraceContext;
  }
}

const USER_AGENT_CHARS = 256;
const requests = new AsyncLocalStorage<FastifyRequest & AuthenticatedRequest>();
const queuedWork = new AsyncLocalStorage<QueuedWorkContext>();

/** Work of the queue's that is under way. */
export interface QueuedWorkContext {
  /** What its lines in the log say besides: `job_id` of a job, `task` of a task. */
  readonly fields: Readonly<Record<string, string>>;
  /** Undefined of what belongs to no tenant. */
  readonly tenantId: string | undefined;
  readonly trace: TraceContext;
}

/** Who is behind the code that runs: what the database is told with each transaction (`app.actor`), and what an entry of the audit says. */
export interface Actor {
  readonly type: 'user' | 'api_key' | 'anonymous';
  readonly user_id: string | null;
  readonly api_key_id: string | null;
  readonly request_id: string;
  readonly ip: string;
  readonly user_agent: string | null;
}

/** From here on what is awaited knows its request. After the body was read: reading it leaves the context of the hooks before. */
export function rememberRequests(server: FastifyInstance): void {
  server.addHook('preHandler', (request, _, done) => requests.run(request, done));
}

/** The request that is being answered; undefined in jobs, on the clock and at start. */
export const currentRequest = (): (FastifyRequest & AuthenticatedRequest) | undefined => requests.getStore();

/** From here on what is awaited knows which work of the queue's it belongs to, and to no request. */
export const rememberWork = <T>(context: QueuedWorkContext, work: () => Promise<T>): Promise<T> => requests.exit(() => queuedWork.run(context, work));

/** Undefined on the clock and at start. */
export const currentTrace = (): TraceContext | undefined => (queuedWork.getStore() ?? requests.getStore())?.trace;

/** What every line of the log says of the request or the work during which it is written. */
export function currentLogFields(): Record<string, string | undefined> {
  const work = queuedWork.getStore();
  if (work) return { ...work.fields, tenant_id: work.tenantId, trace_id: work.trace.traceId };
  const request = requests.getStore();
  return request ? { request_id: request.id, tenant_id: request.user?.tenantId, trace_id: request.trace.traceId } : {};
}

/** Null is the system itself. */
export function currentActor(): Actor | null {
  const request = currentRequest();
  if (!request) return null;
  const { id, ip, headers, user } = request;
  return {
    type: user ? (user.apiKeyId === null ? 'user' : 'api_key') : 'anonymous',
    user_id: user?.userId ?? null,
    api_key_id: user?.apiKeyId ?? null,
    request_id: id,
    ip,
    user_agent: headers['user-agent']?.slice(0, USER_AGENT_CHARS) ?? null,
  };
}

/** Says whose the request would be if it were let in, for the audit of refusals. */
export function nameRefused(identity: RefusedIdentity): void {
  const request = currentRequest();
  if (request) request.refused = identity;
}
