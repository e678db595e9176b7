import { once } from 'node:events';
import { connect } from 'node:net';

/** When a client loses patience. */
export const MOMENTS = ['half-way through the request', 'as soon as it is sent', 'at the first byte of the answer'] as const;
export type Moment = (typeof MOMENTS)[number];

/** Sends a request by hand, hangs up at the given moment and answers what had come by then. */
export async function hangUp(url: string, { method, path, headers, body = '' }: { method: string; path: string; headers: Record<string, string>; body?: string }, moment: Moment): Promise<string> {
  const { hostname, port } = new URL(url);
  const length = body === '' ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
  const head = Object.entries({ host: hostname, ...headers, ...length }).map(([name, value]) => `${name}: ${value}\r\n`);
  const request = Buffer.from(`${method} ${path} HTTP/1.1\r\n${head.join('')}\r\n${body}`);
  const socket = connect({ host: hostname, port: Number(port) });
  // The server may be the first to give up.
  socket.on('error', () => undefined);
  let received = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    received += text;
    socket.resetAndDestroy();
  });
  await once(socket, 'connect');
  const sent = moment === 'half-way through the request' ? request.subarray(0, request.length / 2) : request;
  await new Promise<void>((written) => socket.write(sent, () => written()));
  if (moment !== 'at the first byte of the answer') socket.resetAndDestroy();
  if (!socket.closed) await once(socket, 'close');
  return received;
}
