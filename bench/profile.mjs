// `node bench/profile.mjs FILE.cpuprofile`: where the time of one request goes, by the part of the server that spent it.
import { readFile } from 'node:fs/promises';

/** The first that fits a frame, from the innermost outwards, has the sample. What fits none is Node's own. */
const PARTS = [
  ['writing the answer to the socket', /^(writeGeneric|writevGeneric|afterWriteTick|afterWriteDispatched|onWriteComplete) /],
  ['log line', /nm\/pino\/|src\/common\/log(ging|-destination)\.js/],
  ['metrics and spans', /nm\/prom-client\/|src\/http-observation\.js|src\/tracing\//],
  ['usage and bytes counted', /src\/tenancy\/usage|src\/transferred-bytes\.js/],
  ['authentication', /src\/auth\/(authentication\.guard|.*strategy|access-tokens)|src\/api-keys\/|nm\/(passport|jsonwebtoken|jws|jwa)|src\/events\/fenced-cache/],
  ['permissions', /src\/auth\/permissions\.guard|src\/common\/ip-ranges/],
  ['rate limits', /src\/rate-limits\/|src\/tenancy\/(call-crossings|tenant-hours)/],
  ['hooks of ours', /src\/(app|http-surface|slow-clients)\.js|src\/common\/(request-id|request-context|trace-context)/],
  ['database', /nm\/(pg|pg-pool|pg-protocol|typeorm)\//],
  ['Nest', /nm\/(@nestjs|rxjs)\//],
  ['Fastify', /nm\/(fastify|find-my-way|@fastify|fast-json-stringify)\//],
  ['parsing and routing HTTP', /^(parserOnHeadersComplete|parserOnIncoming|parserOnMessageComplete|onStreamRead|resOnFinish|emitCloseNT|writeHead|_storeHeader) /],
  ['garbage', /^\(garbage collector\)/],
];
const STARTING_SECONDS = 8;

function readable({ callFrame: { functionName, url } }) {
  const file = url.replace(/^file:\/\//, '').replace(/.*node_modules\//, 'nm/').replace(/.*\/dist\/src\//, 'src/');
  return `${functionName || '(anonymous)'} ${file}`;
}

function partsOf({ nodes, samples, timeDeltas }) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const known = new Map();
  const partOf = (id) => {
    if (id === undefined) return 'the rest of Node';
    if (!known.has(id)) known.set(id, PARTS.find(([, pattern]) => pattern.test(readable(byId.get(id))))?.[0] ?? partOf(parents.get(id)));
    return known.get(id);
  };
  const spent = new Map();
  let at = 0;
  for (const [index, id] of samples.entries()) {
    at += timeDeltas[index];
    // Before that, modules are loaded.
    if (at < STARTING_SECONDS * 1e6 || readable(byId.get(id)).startsWith('(idle)')) continue;
    spent.set(partOf(id), (spent.get(partOf(id)) ?? 0) + timeDeltas[index]);
  }
  return spent;
}

const spent = partsOf(JSON.parse(await readFile(process.argv[2], 'utf8')));
const whole = [...spent.values()].reduce((sum, time) => sum + time, 0);
console.log(`${(whole / 1e6).toFixed(1)} s of work, without the first ${STARTING_SECONDS} s`);
for (const [part, time] of [...spent].sort(([, a], [, b]) => b - a)) console.log(`${((time / whole) * 100).toFixed(1).padStart(5)} %  ${part}`);
