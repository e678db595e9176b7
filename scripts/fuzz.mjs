// `npm run fuzz [-- SECONDS]`: made-up requests to every route, seed after seed, and every naughty string in every field. A failure names its seed;
// FUZZ_SEED, FUZZ_RUNS and FUZZ_ROUTE (a part of `POST /api/v1/search`) send the same again.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from './build.mjs';

const until = Date.now() + Number(process.argv[2] ?? 600) * 1000;
const runs = process.env.FUZZ_RUNS ?? '150';

function test(path, env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(root, 'scripts/test.mjs'), path], { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

let failed = await test('test/hardening/naughty-strings', { NAUGHTY_ROUNDS: process.env.NAUGHTY_ROUNDS ?? '60' });
let seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
do {
  failed ||= await test('test/hardening/fuzz', { FUZZ_SEED: String(seed), FUZZ_RUNS: runs });
  seed += 1000;
} while (!failed && Date.now() < until);
process.exitCode = failed;
