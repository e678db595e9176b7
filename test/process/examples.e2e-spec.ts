import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Sandbox } from '../support/sandbox.js';

const isMissing = (command: string): boolean => spawnSync(command, ['--version']).error !== undefined;

const TOURS: [language: string, command: string[], needs: string][] = [
  ['curl', ['sh', 'examples/curl/tour.sh'], 'curl'],
  ['TypeScript', [process.execPath, '--no-warnings', 'examples/typescript/tour.ts'], process.execPath],
  ['Python', ['python3', 'examples/python/tour.py'], 'python3'],
];

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

/** In front of a server, and busy the first time that it is asked to search: comes to know after how many milliseconds it is asked again. */
class BusyGate {
  readonly waits: number[] = [];
  private refusedAt: number | null = null;

  private constructor(private readonly server: Server) {}

  static async before(upstream: string): Promise<BusyGate> {
    const server = createServer();
    const gate = new BusyGate(server);
    server.on('request', (request, response) => {
      void (async () => {
        const body = Buffer.from(await new Response(request as unknown as BodyInit).arrayBuffer());
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

describe('the examples', () => {
  const sandbox = new Sandbox();
  let gate: BusyGate;

  beforeAll(async () => {
    gate = await BusyGate.before((await sandbox.start({ DATA_DIR: await sandbox.dataDir() })).url);
  });
  afterAll(async () => {
    await gate?.close();
    await sandbox.clean();
  });

  for (const [language, [command, ...args], needs] of TOURS) {
    const missing = isMissing(needs);
    if (missing) console.warn(`SKIPPED: the example in ${language} is not tested, because there is no ${needs} here.`);
    (missing ? it.skip : it)(`in ${language} plays its story to the end, and waits for as long as a busy server asks`, async () => {
      gate.waits.length = 0;
      const child = spawn(command!, [...args, gate.url], { stdio: ['ignore', 'pipe', 'pipe'] });
      const [printed, complained, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close') as Promise<[number]>]);
      expect({ code, complained }).toEqual({ code: 0, complained: '' });
      expect(printed.trimEnd().split('\n')).toEqual(STORY.map((line) => expect.stringMatching(line)));
      expect(gate.waits).toEqual([expect.any(Number)]);
      expect(gate.waits[0]).toBeGreaterThanOrEqual(990);
    });
  }
});
