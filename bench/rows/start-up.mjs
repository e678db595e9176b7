// How long somebody waits who starts the server, from the process to its first answer.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { root } from '../../scripts/build.mjs';

const ROUNDS = 5;
const PATIENCE_MS = 60_000;

const bareNest = [fileURLToPath(new URL('../servers/bare-nest.mjs', import.meta.url))];
const start = [join(root, 'scripts/start.mjs')];

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** The address it writes in its log. */
async function addressFrom(child) {
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{')) continue;
    const { msg, address } = JSON.parse(line);
    if (msg === 'ready') return address;
  }
  throw new Error('a server ended before it was ready');
}

const messageFrom = async (child) => (await once(child, 'message'))[0].url;

async function timed(args, environment, { stdio, addressOf, path }) {
  const begun = performance.now();
  const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...environment }, stdio });
  const ended = once(child, 'exit');
  const giveUp = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  try {
    const address = await Promise.race([addressOf(child), ended.then(([code, signal]) => Promise.reject(new Error(`${args[0]} ended (${signal ?? code})`)))]);
    const { status } = await fetch(`${address}${path}`);
    if (status !== 200) throw new Error(`${address}${path} answered ${status}`);
    return performance.now() - begun;
  } finally {
    child.kill('SIGTERM');
    await ended;
    clearTimeout(giveUp);
  }
}

async function nodeItself() {
  const begun = performance.now();
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
  return performance.now() - begun;
}

const ofNest = (environment) => timed(bareNest, environment, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], addressOf: messageFrom, path: '/bench/ping' });
const ofServer = (environment) => timed(start, environment, { stdio: ['ignore', 'pipe', 'inherit'], addressOf: addressFrom, path: '/health/ready' });

/** As a person's own start, whatever the bench was started with. */
const ENVIRONMENT = { NODE_ENV: 'development', PORT: '0', LOG_LEVEL: 'info', ROLE: 'all', npm_lifecycle_event: '' };

async function inTurns(contenders) {
  // The first one compiles, for all that come later.
  for (const contender of Object.values(contenders)) await contender();
  const taken = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, contender] of Object.entries(contenders)) taken[name].push(await contender());
  }
  return Object.fromEntries(Object.entries(taken).map(([name, values]) => [name, median(values)]));
}

export const startUpRows = [
  {
    name: 'start-up',
    title: 'from the start of the process to its first answer',
    async run(world) {
      const { url, dataDir, cacheDir } = await world.startable();
      const environment = { ...ENVIRONMENT, NODE_COMPILE_CACHE: cacheDir };
      const { node, nest, server } = await inTurns({
        node: nodeItself,
        nest: () => ofNest(environment),
        server: () => ofServer({ ...environment, DATABASE_URL: url, DATA_DIR: dataDir }),
      });
      const cold = await ofServer({ ...environment, DATABASE_URL: '', DATA_DIR: await world.emptyDirectory() });
      const finding = (measure, floor, subject) => ({ measure, unit: 'ms', floor, subject, ratio: subject / floor, expected: null });
      return [
        finding('the server on a migrated database (floor: bare NestJS)', nest, server),
        finding('bare NestJS on Fastify (floor: node -e 0)', node, nest),
        finding('the first start of all, with a new embedded PostgreSQL (floor: a later start)', server, cold),
      ];
    },
  },
];
