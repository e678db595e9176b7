// `npm run bench`: measures the server against floors within one run and prints what came out. See bench/README.md.
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { buildIfStale } from '../scripts/build.mjs';
import { runCommand } from './command.mjs';
import { compared, describeMachine, duration, markdown, table } from './report.mjs';
import { readResults, writeResults } from './results.mjs';
import { ROWS } from './rows/index.mjs';
import { World } from './world.mjs';

const OPTIONS = { all: { type: 'boolean' }, compare: { type: 'string' }, markdown: { type: 'string' }, profile: { type: 'string' } };

function readArguments() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS });
  const unknown = positionals.filter((name) => !ROWS.some((row) => row.name === name));
  if (unknown.length > 0) throw new Error(`There is no row called ${unknown.join(', ')}; there are ${ROWS.map((row) => row.name).join(', ')}.`);
  const isWanted = ({ name, isSlow }) => (positionals.length > 0 ? positionals.includes(name) : values.all || !isSlow);
  return { ...values, rows: ROWS.filter(isWanted) };
}

/** A row that fails takes none of the others with it, nor what they found. */
async function measure(world, rows, signal) {
  const [findings, failed] = [[], []];
  for (const row of rows) {
    if (signal.aborted) break;
    const begun = performance.now();
    try {
      for (const finding of await row.run(world)) findings.push({ row: row.name, ...finding });
      console.error(`${row.name} (${row.title}): ${duration((performance.now() - begun) / 1000)}`);
    } catch (error) {
      failed.push(row.name);
      console.error(`${row.name} failed: ${error.stack}`);
    }
  }
  return { findings, failed };
}

async function main() {
  const { rows, compare, markdown: page, profile } = readArguments();
  const earlier = compare === undefined ? undefined : await readResults(compare);
  if (!(await buildIfStale())) throw new Error('The build failed.');
  const [machine, begun] = [describeMachine(), performance.now()];
  const world = new World({ profile });
  const stopping = new AbortController();
  const stop = () => {
    stopping.abort();
    void world.close().then(() => process.exit(130));
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    const { findings, failed } = await measure(world, rows, stopping.signal);
    if (stopping.signal.aborted) return;
    const results = { at: new Date().toISOString(), machine, seconds: (performance.now() - begun) / 1000, failed, findings };
    await writeResults(results);
    const shown = earlier ? { ...results, findings: compared(findings, earlier.findings) } : results;
    console.log(table(shown));
    if (page !== undefined) await writeFile(page, markdown(shown));
    if (failed.length > 0) throw new Error(`no numbers of ${failed.join(', ')}; why is above.`);
  } finally {
    await world.close();
  }
}

await runCommand(main);
