// `npm run bench:curves`: what calls cost with ever more keys, tenants, documents and databases stored. See bench/curves/README.md.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildIfStale, root } from '../../scripts/build.mjs';
import { runCommand } from '../command.mjs';
import { describeMachine } from '../report.mjs';
import { World } from '../world.mjs';
import { CURVES } from './index.mjs';
import { plot, times } from './plot.mjs';
import { page } from './report.mjs';

const RESULTS = join(root, 'bench/results/curves.json');
const HERE = join(root, 'bench/curves');

function readArguments() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { profile: { type: 'string' } } });
  const unknown = positionals.filter((name) => !CURVES.some((curve) => curve.name === name));
  if (unknown.length > 0) throw new Error(`There is no curve called ${unknown.join(', ')}; there are ${CURVES.map(({ name }) => name).join(', ')}.`);
  return { ...values, curves: CURVES.filter(({ name }) => positionals.length === 0 || positionals.includes(name)) };
}

/** Of the curves that this run leaves out. */
async function earlier(curves) {
  if (curves.length === CURVES.length) return [];
  try {
    return JSON.parse(await readFile(RESULTS, 'utf8')).curves.filter(({ name }) => !curves.some((curve) => curve.name === name));
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

async function measure(world, { name, title, x, run }) {
  const [at, machine, begun] = [new Date().toISOString(), describeMachine(), performance.now()];
  const lines = await run(world);
  const seconds = (performance.now() - begun) / 1000;
  console.error(`${name} (${title}): ${seconds.toFixed(0)} s`);
  for (const line of lines) console.log(`  ${line.points.map(({ ratio }) => times(ratio).padStart(7)).join(' ')}  ${line.name}`);
  return { name, title, x, at, machine, seconds, lines };
}

async function write(measured) {
  const curves = CURVES.flatMap(({ name }) => measured.filter((one) => one.name === name));
  await mkdir(join(root, 'bench/results'), { recursive: true });
  await mkdir(join(HERE, 'plots'), { recursive: true });
  await writeFile(RESULTS, `${JSON.stringify({ curves }, null, 2)}\n`);
  await Promise.all(curves.map((curve) => writeFile(join(HERE, 'plots', `${curve.name}.svg`), plot(curve))));
  await writeFile(join(HERE, 'results.md'), page(curves));
}

async function main() {
  const { curves, profile } = readArguments();
  if (!(await buildIfStale())) throw new Error('The build failed.');
  const world = new World({ profile });
  const stop = () => void world.close().then(() => process.exit(130));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    const measured = [];
    for (const curve of curves) measured.push(await measure(world, curve));
    await write([...(await earlier(curves)), ...measured]);
  } finally {
    await world.close();
  }
}

await runCommand(main);
