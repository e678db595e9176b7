// Runs jest as ESM. Some tests start the built server as a child process, so dist is brought up to date first (`--no-build` leaves it).
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildIfStale, root } from './build.mjs';
import { newEnoughNode } from './node24.mjs';

await newEnoughNode();
const args = process.argv.slice(2).filter((arg) => arg !== '--no-build');
if (args.length === process.argv.length - 2 && !(await buildIfStale())) {
  console.error('The build failed, so no test was run (`npm test -- --no-build` runs them against the last build).');
  process.exit(1);
}

// Each of jest's processes loads the whole server; the servers that tests start use the same cache. LanceDB's log level is set as the store sets it
// for itself: of a test file's own environment the native library hears nothing. Nor does the SDK of S3, which gets the credentials that s3rver takes.
const s3 = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER', AWS_PROFILE: '' };
const env = { NODE_COMPILE_CACHE: join(tmpdir(), 'morag-test-compile-cache'), LANCEDB_LOG: 'error', ...process.env, ...s3 };
const jest = spawn(process.execPath, ['--experimental-vm-modules', '--no-warnings', join(root, 'node_modules/jest/bin/jest.js'), ...args], {
  cwd: root,
  stdio: 'inherit',
  env,
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => jest.kill(signal));
jest.once('exit', (code) => process.exit(code ?? 1));
