import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { Outbound } from './outbound.js';
import type { OutboundOptions } from './outbound.js';
import { UrlNotAllowed, UrlTimedOut, UrlTooLarge } from './outbound.errors.js';

const opened: (Server | Outbound)[] = [];
let requests: IncomingMessage[] = [];

async function serve(answer: RequestListener): Promise<number> {
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  opened.push(server);
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return (server.address() as AddressInfo).port;
}

function outbound(options: OutboundOptions = {}): Outbound {
  const client = new Outbound(options);
  opened.push(client);
  return client;
}

const ok = (_request: IncomingMessage, response: ServerResponse) => void response.end('inside');
const redirect = (location: string) => (_request: IncomingMessage, response: ServerResponse) =>
  void response.writeHead(302, { location }).end();

beforeEach(() => (requests = []));

afterEach(async () => {
  for (const one of opened.splice(0)) {
    if (one instanceof Outbound) await one.close();
    else await new Promise((done) => one.close(done).closeAllConnections());
  }
});

it.each(['http://127.0.0.1', 'http://127.1', 'http://0x7f000001', 'http://[::ffff:7f00:1]', 'http://localhost', 'http://0'])(
  'never connects to %s',
  async (origin) => {
    const port = await serve(ok);
    await expect(outbound().fetch(`${origin}:${port}/`)).rejects.toThrow(UrlNotAllowed);
    expect(requests).toHaveLength(0);
  },
);

it('reaches a private host that the operator has named, by address or by name', async () => {
  const port = await serve(ok);
  const client = outbound({ allow: [`127.0.0.1:${port}`, 'inner.test'], resolve: async () => [{ address: '127.0.0.1', family: 4 }] });
  expect(await (await client.fetch(`http://127.1:${port}/a`)).text()).toBe('inside');
  const response = await client.fetch(`http://inner.test:${port}/b`);
  expect(await response.text()).toBe('inside');
  expect(response.url).toBe(`http://inner.test:${port}/b`);
});

it('refuses a name as soon as one of its addresses is private', async () => {
  const port = await serve(ok);
  const resolve = async () => [{ address: '93.184.216.34', family: 4 }, { address: '127.0.0.1', family: 4 }];
  const client = outbound({ resolve });
  await expect(client.fetch(`http://mixed.test:${port}/`)).rejects.toThrow(UrlNotAllowed);
  await expect(client.assertAllowed(`http://mixed.test:${port}/`)).rejects.toThrow(UrlNotAllowed);
});

it('stores no address that it would not call, and a name that is not known yet only when the operator has named it', async () => {
  const resolve = async (host: string) => {
    if (host === 'known.test') return [{ address: '93.184.216.34', family: 4 }];
    throw Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' });
  };
  const client = outbound({ allow: ['listed.test:6333'], resolve });
  const store = (host: string, literal = false) => client.assertStorable({ host, port: 6333, literal });
  for (const host of ['known.test', 'listed.test']) await expect(store(host)).resolves.toBeUndefined();
  await expect(client.assertStorable({ host: 'listed.test', port: 80, literal: false })).rejects.toThrow(UrlNotAllowed);
  await expect(store('unknown.test')).rejects.toThrow(UrlNotAllowed);
  await expect(store('127.0.0.1', true)).rejects.toThrow(UrlNotAllowed);
});

it('asks the name server once a connection, so a second answer cannot swap the address', async () => {
  const port = await serve(ok);
  let asked = 0;
  const resolve = async () => (asked++, [{ address: '127.0.0.1', family: 4 }]);
  await outbound({ allow: ['rebind.test'], resolve }).fetch(`http://rebind.test:${port}/`);
  expect(asked).toBe(1);
});

it('says the same for a blocked, an unknown and a refusing address', async () => {
  const resolve = async (host: string) => {
    if (host === 'unknown.test') throw Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' });
    return [{ address: '127.0.0.1', family: 4 }];
  };
  const refusing = await serve(ok);
  await new Promise((done) => (opened.pop() as Server).close(done));
  const closed = outbound({ allow: ['refusing.test'], resolve });
  const errors = await Promise.all(
    ['http://blocked.test/', 'http://unknown.test/', `http://refusing.test:${refusing}/`, 'ftp://x/', 'http://u:p@x/'].map((url) =>
      closed.fetch(url).then(() => undefined, (error: unknown) => error as UrlNotAllowed),
    ),
  );
  for (const error of errors) {
    expect(error).toBeInstanceOf(UrlNotAllowed);
    expect(error).toMatchObject({ status: 422, code: 'url_not_allowed', message: errors[0]!.message, retryable: false });
  }
  expect(errors.map((error) => error?.transient)).toEqual([false, true, true, false, false]);
});

describe('redirects', () => {
  it('are handed over, not followed, by default', async () => {
    const port = await serve(redirect('/next'));
    const response = await outbound({ allow: ['127.0.0.1'] }).fetch(`http://127.0.0.1:${port}/`);
    expect(response.status).toBe(302);
    expect(requests).toHaveLength(1);
  });

  it('are checked wholly at each hop', async () => {
    const inner = await serve(ok);
    const outer = await serve(redirect(`http://localhost:${inner}/secret`));
    const client = outbound({ allow: [`127.0.0.1:${outer}`] });
    await expect(client.fetch(`http://127.0.0.1:${outer}/`, { maxRedirects: 3 })).rejects.toThrow(UrlNotAllowed);
    expect(requests).toHaveLength(1);
  });

  it('carry no credentials to another origin, nor back', async () => {
    let first = 0;
    const second = await serve((_request, response) => redirect(`http://127.0.0.1:${first}/back`)(_request, response));
    first = await serve((request, response) =>
      request.url === '/back' ? ok(request, response) : redirect(`http://127.0.0.1:${second}/`)(request, response),
    );
    const headers = { authorization: 'Bearer s', cookie: 'a=b', 'x-api-key': 'k', accept: 'text/html' };
    await outbound({ allow: ['127.0.0.1'] }).fetch(`http://127.0.0.1:${first}/`, { headers, maxRedirects: 3 });
    expect(requests.map((request) => [request.headers.authorization, request.headers['x-api-key']])).toEqual([
      ['Bearer s', 'k'],
      [undefined, undefined],
      [undefined, undefined],
    ]);
    expect(requests[2]!.headers).toMatchObject({ accept: 'text/html' });
    expect(requests[2]!.headers.cookie).toBeUndefined();
  });

  it('end after the allowed number and are never followed with a body', async () => {
    const port = await serve(redirect('/again'));
    const client = outbound({ allow: ['127.0.0.1'] });
    expect((await client.fetch(`http://127.0.0.1:${port}/`, { maxRedirects: 3 })).status).toBe(302);
    expect(requests).toHaveLength(4);
    expect((await client.fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'x', maxRedirects: 3 })).status).toBe(302);
    expect(requests).toHaveLength(5);
  });
});

it('tells how each call ended', async () => {
  const port = await serve((request, response) => void (request.url === '/slow' ? undefined : response.writeHead(Number(request.url!.slice(1))).end()));
  const ended: string[] = [];
  const options: OutboundOptions = { allow: [`127.0.0.1:${port}`], note: (outcome, seconds) => ended.push(seconds >= 0 ? outcome : 'never') };
  const [client, hasty] = [outbound(options), outbound({ ...options, totalTimeoutMs: 100 })];
  const call = (path: string, signal?: AbortSignal, by = client) => by.fetch(`http://127.0.0.1:${port}${path}`, { ...(signal && { signal }) }).catch(() => undefined);
  await call('/200');
  await call('/503');
  await call('/slow', undefined, hasty);
  await call('/slow', AbortSignal.abort());
  await client.fetch('http://10.0.0.1/').catch(() => undefined);
  expect(ended).toEqual(['2xx', '5xx', 'timeout', 'abandoned', 'refused']);
});

it('counts bytes after decompression', async () => {
  const bomb = gzipSync(Buffer.alloc(5_000_000));
  const port = await serve((_request, response) => void response.setHeader('content-encoding', 'gzip').end(bomb));
  const response = await outbound({ allow: ['127.0.0.1'] }).fetch(`http://127.0.0.1:${port}/`, { maxBytes: 1_000_000 });
  expect(bomb.length).toBeLessThan(10_000);
  await expect(response.arrayBuffer()).rejects.toThrow(UrlTooLarge);
});

it('hands over answers without a body', async () => {
  const port = await serve((request, response) => void response.writeHead(request.method === 'HEAD' ? 200 : 204).end());
  const client = outbound({ allow: ['127.0.0.1'] });
  for (const method of ['HEAD', 'DELETE']) {
    const response = await client.fetch(`http://127.0.0.1:${port}/`, { method });
    expect([response.status, await response.text()]).toEqual([method === 'HEAD' ? 200 : 204, '']);
  }
});

it('ends a host that never answers and one that stops in the middle', async () => {
  const port = await serve((request, response) => void (request.url === '/half' && response.write('half')));
  const within = (totalTimeoutMs: number) => outbound({ allow: ['127.0.0.1'], totalTimeoutMs });
  await expect(within(100).fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow(UrlTimedOut);
  // Long enough for the beginning of the answer on a busy machine.
  const response = await within(1000).fetch(`http://127.0.0.1:${port}/half`);
  await expect(response.text()).rejects.toThrow(UrlTimedOut);
});

it('hands the caller its own reason when the caller gives up', async () => {
  const port = await serve(() => undefined);
  const stop = new AbortController();
  const call = outbound({ allow: ['127.0.0.1'] }).fetch(`http://127.0.0.1:${port}/`, { signal: stop.signal });
  stop.abort(new Error('enough'));
  await expect(call).rejects.toThrow('enough');
});

it('sends a body and headers given in a Request', async () => {
  let body = '';
  const port = await serve((request, response) => {
    request.on('data', (part: Buffer) => (body += part.toString())).on('end', () => response.end('{}'));
  });
  const request = new Request(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'hello', headers: { 'x-a': '1' } });
  expect((await outbound({ allow: ['127.0.0.1'] }).fetch(request)).status).toBe(200);
  expect([body, requests[0]!.headers['x-a']]).toEqual(['hello', '1']);
});
