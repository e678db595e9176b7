// `npm run check`: everything that can be said about the code without running it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { root } from './build.mjs';
import { newEnoughNode } from './node24.mjs';

await newEnoughNode();

const modules = (path) => join(root, 'node_modules', path);
const cruised = ['src', 'ormconfig.ts'].filter((path) => existsSync(join(root, path)));
// The slowest first, so that the short ones fill the other core.
const STEPS = {
  types: [modules('typescript/bin/tsc'), '--noEmit', '--pretty', 'false', '--incremental', '--tsBuildInfoFile', modules('.cache/check.tsbuildinfo'), '-p', 'tsconfig.json'],
  generated: [join(root, 'scripts/generate.mjs'), '--check'],
  lint: [modules('oxlint/bin/oxlint'), '--type-aware', '--disable-nested-config', '--deny-warnings', '--report-unused-disable-directives'],
  imports: [modules('dependency-cruiser/bin/dependency-cruiser.mjs'), ...cruised, '--config', join(root, '.dependency-cruiser.cjs'), '--output-type', 'err-long'],
  packages: [join(root, 'scripts/check-packages.mjs')],
};

function run(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.once('close', (code) => resolve({ passed: code === 0, output }));
  });
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in STEPS));
if (unknown.length > 0) {
  console.error(`There is no check called ${unknown.join(', ')}; there are ${Object.keys(STEPS).join(', ')}.`);
  process.exit(2);
}
const waiting = Object.entries(STEPS).filter(([name]) => wanted.length === 0 || wanted.includes(name));

async function work() {
  for (let step = waiting.shift(); step; step = waiting.shift()) {
    const [name, args] = step;
    const begun = performance.now();
    const { passed, output } = await run(args);
    console.log(`${name.padEnd(10)} ${passed ? 'ok' : 'failed'} ${Math.round(performance.now() - begun)} ms`);
    if (passed) continue;
    console.log(output);
    process.exitCode = 1;
  }
}

await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));
