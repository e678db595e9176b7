// `npm run bench`: measures the server against floors within one run and prints what came out. See bench/README.md.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildIfStale, root } from '../scripts/build.mjs';
import { newEnoughNode } from '../scripts/node24.mjs';
import { compared, describeMachine, table } from './report.mjs';
import { ROWS } from './rows/index.mjs';
import { World } from './world.mjs';

const LATEST = join(root, 'bench/results/latest.json');

function readArguments() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { compare: { type: 'string' }, profile: { type: 'string' } } });
  const unknown = positionals.filter((name) => !ROWS.some((row) => row.name === name));
  if (unknown.length > 0) throw new Error(`There is no row called ${unknown.join(', ')}; there are ${ROWS.map((row) => row.name).join(', ')}.`);
  return { ...values, rows: ROWS.filter((row) => positionals.length === 0 || positionals.includes(row.name)) };
}

async function measure(world, rows) {
  const findings = [];
  for (const row of rows) {
    const begun = performance.now();
    for (const finding of await row.run(world)) findings.push({ row: row.name, ...finding });
    console.error(`${row.name} (${row.title}): ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  }
  return findings;
}

async function main() {
  const { rows, compare, profile } = readArguments();
  const earlier = compare === undefined ? undefined : JSON.parse(await readFile(compare, 'utf8'));
  if (!(await buildIfStale())) throw new Error('The build failed.');
  const machine = describeMachine();
  const world = new World({ profile });
  const stop = () => void world.close().then(() => process.exit(130));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    const findings = await measure(world, rows);
    console.log(table(earlier ? compared(findings, earlier.findings) : findings, machine));
    await mkdir(join(root, 'bench/results'), { recursive: true });
    await writeFile(LATEST, `${JSON.stringify({ at: new Date().toISOString(), machine, findings }, null, 2)}\n`);
  } finally {
    await world.close();
  }
}

await newEnoughNode();
try {
  await main();
} catch (error) {
  console.error(`The bench failed: ${error instanceof Error ? error.stack : String(error)}`);
  process.exitCode = 1;
}
