import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import type { Readable } from 'node:stream';

export interface RawAnswer {
  status: number;
  contentType: string;
  body: any;
}

/** A multipart form by hand; `parts` are header lines and content, and `closed` leaves out the end when false. */
export function multipart(boundary: string, parts: readonly { headers: string; content: string | Buffer }[], closed = true): Buffer {
  const written = parts.map(({ headers, content }) => Buffer.concat([Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; ${headers}\r\n\r\n`), Buffer.from(content), Buffer.from('\r\n')]));
  return Buffer.concat([...written, Buffer.from(closed ? `--${boundary}--\r\n` : '')]);
}

/** Sends a body in whatever way, and answers the response even when the server stopped reading before the end. */
export async function sendStream(url: string, headers: Record<string, string>, body: Readable): Promise<RawAnswer> {
  const sending = request(url, { method: 'POST', headers });
  const answered = new Promise<RawAnswer>((resolve, reject) => {
    sending.on('error', reject);
    sending.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode!, contentType: response.headers['content-type'] ?? '', body: text === '' ? null : JSON.parse(text) }));
      body.unpipe(sending);
    });
  });
  body.pipe(sending);
  try {
    return await answered;
  } finally {
    sending.destroy();
  }
}

/** Writes raw bytes, then ends the writing side, cuts the connection or waits for the server to close it; answers whatever came back. */
export async function sendBytes(url: string, bytes: Buffer | string, then: 'end' | 'cut' | 'wait'): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  let received = '';
  socket.setEncoding('utf8').on('data', (text: string) => (received += text));
  socket.on('error', () => undefined);
  socket.on('end', () => socket.end());
  await once(socket, 'connect');
  await new Promise<void>((written) => socket.write(bytes, () => written()));
  if (then === 'cut') socket.resetAndDestroy();
  else if (then === 'end') socket.end();
  if (!socket.closed) await once(socket, 'close');
  return received;
}

/** Writes raw bytes and neither more nor an end, and answers the first whole answer: so the server cannot have waited for the rest. */
export async function answerTo(url: string, bytes: Buffer | string): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  try {
    socket.write(bytes);
    let received = '';
    for await (const part of socket.setEncoding('utf8') as AsyncIterable<string>) {
      received += part;
      const [head = '', body = ''] = received.split('\r\n\r\n');
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? NaN);
      if (Buffer.byteLength(body) === length) return { status: Number(head.split(' ')[1]), contentType: /^content-type: (.+)$/im.exec(head)?.[1] ?? '', body: JSON.parse(body) };
    }
    throw new Error(`the connection ended before an answer: ${received}`);
  } finally {
    socket.destroy();
  }
}
