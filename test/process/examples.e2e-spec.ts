import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { TestApp } from '../support/test-app.js';

const isMissing = (command: string): boolean => spawnSync(command, ['--version']).error !== undefined;

const TOURS: [language: string, command: string[], needs: string][] = [
  ['curl', ['sh', 'examples/curl/tour.sh'], 'curl'],
  ['TypeScript', [process.execPath, '--no-warnings', 'examples/typescript/tour.ts'], process.execPath],
  ['Python', ['python3', 'examples/python/tour.py'], 'python3'],
];

/** Each starts dozens of processes, one after the other. */
const PATIENCE_MS = 120_000;

/** What each prints, in order. */
const STORY = [
  /^signed in as tour-\w+@example\.com$/,
  /^made the key mk_live_\w{4}… that may read, ingest and search$/,
  /^ingested a text$/,
  /^ingested a PDF$/,
  /^found: Keeping Bees on a Lighthouse Island, page 3, characters \d+ to \d+$/,
  /^in use: 2 documents of the tenant's quota( of 1000)?$/,
  /^refused: 409 duplicate_document, it is there already( as [\w-]{36})?$/,
  /^revoked the key: 401 invalid_credentials$/,
];

/** The commands of the README's five minutes, without those that need the Internet. */
function commandsOfReadme(server: string): string {
  const [, section] = /^## Five minutes with curl\n([^]*?)^## /m.exec(readFileSync('README.md', 'utf8'))!;
  const blocks = [...section!.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, block]) => block!);
  return blocks.filter((block) => !block.includes('https://')).join('\n').replace('M=http://127.0.0.1:3000', `M=${server}`);
}

/** In front of a server, and busy the first time that it is asked to search: knows after how many milliseconds it was asked again. */
class BusyGate {
  readonly waits: number[] = [];
  private refusedAt: number | null = null;

  private constructor(private readonly server: Server) {}

  static async before(upstream: string): Promise<BusyGate> {
    const server = createServer();
    const gate = new BusyGate(server);
    server.on('request', (request, response) => {
      void (async () => {
        const body = await buffer(request);
        if (request.url === '/api/v1/search') {
          if (gate.refusedAt === null) {
            gate.refusedAt = performance.now();
            response.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '1' }).end('{"code":"busy","retryable":true}');
            return;
          }
          gate.waits.push(performance.now() - gate.refusedAt);
          gate.refusedAt = null;
        }
        const { method, headers } = request;
        const passed = Object.fromEntries(['authorization', 'x-api-key', 'content-type'].flatMap((name) => (typeof headers[name] === 'string' ? [[name, headers[name]]] : [])));
        const answer = await fetch(upstream + request.url, { method: method!, headers: passed, ...(body.length > 0 ? { body } : {}) });
        response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' }).end(Buffer.from(await answer.arrayBuffer()));
      })();
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return gate;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

async function run(command: string, args: string[]): Promise<{ printed: string; complained: string; code: number }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PATH: `${path.dirname(process.execPath)}:${process.env['PATH']}` } });
  const [printed, complained, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close') as Promise<[number]>]);
  return { printed, complained, code };
}

describe('the examples', () => {
  let server: TestApp;
  let gate: BusyGate;

  beforeAll(async () => {
    server = await TestApp.start();
    gate = await BusyGate.before(server.url);
  });
  afterAll(async () => {
    await gate?.close();
    await server.stop();
  });

  for (const [language, [command, ...args], needs] of TOURS) {
    const missing = isMissing(needs);
    if (missing) console.warn(`SKIPPED: the example in ${language} is not tested, because there is no ${needs} here.`);
    (missing ? it.skip : it)(`in ${language} plays its story to the end, and waits for as long as a busy server asks`, async () => {
      gate.waits.length = 0;
      const { printed, complained, code } = await run(command!, [...args, gate.url]);
      expect({ code, complained }).toEqual({ code: 0, complained: '' });
      expect(printed.trimEnd().split('\n')).toEqual(STORY.map((line) => expect.stringMatching(line)));
      expect(gate.waits).toEqual([expect.any(Number)]);
      expect(gate.waits[0]).toBeGreaterThanOrEqual(990);
    }, PATIENCE_MS);
  }

  (isMissing('curl') ? it.skip : it)('of the README work as they are pasted, one after the other', async () => {
    const { printed, complained, code } = await run('sh', ['-c', commandsOfReadme(server.url)]);
    expect({ code, complained }).toEqual({ code: 0, complained: '' });
    const inOrder = [/"email": "ada@example\.com"/, /^completed$/m, /"state": "INGESTED"/, /page_from: 3/, /south wall/, /^completed$/m, /'Minutes', 'Budget'/, /"insufficient_scope"/, /^204$/m, /^204$/m, /"invalid_credentials"/];
    let rest = printed;
    for (const expected of inOrder) {
      expect(rest).toMatch(expected);
      const { index, 0: matched } = expected.exec(rest)!;
      rest = rest.slice(index + matched.length);
    }
  }, PATIENCE_MS);
});
