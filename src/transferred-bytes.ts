import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Bytes that went over a connection, ever. */
interface Traffic {
  read: number;
  written: number;
}

const NONE: Traffic = { read: 0, written: 0 };

/** How much of each connection's traffic belongs to requests that have ended. */
const accounted = new WeakMap<Socket, Traffic>();

const trafficOf = (socket: Socket): Traffic => ({ read: socket.bytesRead, written: socket.bytesWritten });

/** A declared length that holds once the message is whole; until then, no more than what really moved. Undeclared, what moved. */
function lengthOf(declared: unknown, isWhole: boolean, moved: number): number {
  if (declared === undefined) return moved;
  return isWhole ? Number(declared) : Math.min(Number(declared), moved);
}

function isWithoutBody({ method }: FastifyRequest, { statusCode }: FastifyReply): boolean {
  return method === 'HEAD' || statusCode === 204 || statusCode === 304;
}

/**
 * Bytes of the body that came and of the one that went; to be asked once at the end of every request. A body that does not declare its
 * length, such as a chunked one, counts as what its connection carried since the request before: with its head and framing.
 */
export function transferredBytes(request: FastifyRequest, reply: FastifyReply): { bytesIn: number; bytesOut: number } {
  const { raw } = request;
  const { socket } = raw;
  const before = accounted.get(socket) ?? NONE;
  const now = trafficOf(socket);
  accounted.set(socket, now);
  // What is still to come of a body that was refused half-way is not the next request's.
  if (!raw.complete) raw.once('close', () => accounted.set(socket, trafficOf(socket)));
  const isChunked = raw.headers['transfer-encoding'] !== undefined;
  return {
    bytesIn: lengthOf(raw.headers['content-length'] ?? (isChunked ? undefined : 0), raw.complete, now.read - before.read),
    bytesOut: isWithoutBody(request, reply) ? 0 : lengthOf(reply.getHeader('content-length'), reply.raw.writableFinished, now.written - before.written),
  };
}
