// `npm run chaos`: the long form of the crash tests. CHAOS_ROUNDS says how many rounds (24, ten minutes), CHAOS_SEED repeats a run.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from './build.mjs';

const env = { ...process.env, CHAOS_ROUNDS: process.env.CHAOS_ROUNDS || '24' };
const tests = spawn(process.execPath, [join(root, 'scripts/test.mjs'), 'test/chaos', ...process.argv.slice(2)], { cwd: root, stdio: 'inherit', env });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => tests.kill(signal));
tests.once('exit', (code) => process.exit(code ?? 1));
