// Runs jest as ESM. Some tests start the built server as a child process, so dist is brought up to date first (`--no-build` leaves it).
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildIfStale, root } from './build.mjs';
import { newEnoughNode } from './node24.mjs';

const MEMORY = '/dev/shm';
/** Several times what all test files have at once. */
const ENOUGH_BYTES = 8 * 2 ** 30;

/**
 * Where tests keep what they write, for as long as they run: in memory where Linux has room for it. ext4 does not use an inode again for some seconds
 * after its file was removed, and looks for another one by one: after a few test databases were dropped, of 400 files each, copying the next took a third
 * of a second of the processor in place of a thirtieth.
 */
function makeScratch() {
  if (process.env.TMPDIR || !existsSync(MEMORY)) return undefined;
  const { bavail, bsize } = statfsSync(MEMORY);
  if (Math.min(bavail * bsize, process.availableMemory()) < ENOUGH_BYTES) return undefined;
  const scratch = mkdtempSync(join(MEMORY, 'morag-tests-'));
  // As of any directory for temporary files: some tests are another user for a while.
  chmodSync(scratch, 0o1777);
  return scratch;
}

await newEnoughNode();
const args = process.argv.slice(2).filter((arg) => arg !== '--no-build');
if (args.length === process.argv.length - 2 && !(await buildIfStale())) {
  console.error('The build failed, so no test was run (`npm test -- --no-build` runs them against the last build).');
  process.exit(1);
}

// Each of jest's processes loads the whole server; the servers that tests start use the same cache. LanceDB's log level is set as the store sets it
// for itself: of a test file's own environment the native library hears nothing. Nor does the SDK of S3, which gets the credentials that s3rver takes.
const s3 = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER', AWS_PROFILE: '' };
const scratch = makeScratch();
const env = { NODE_COMPILE_CACHE: join(tmpdir(), 'morag-test-compile-cache'), LANCEDB_LOG: 'error', ...process.env, ...s3, ...(scratch && { TMPDIR: scratch }) };
const jest = spawn(process.execPath, ['--experimental-vm-modules', '--no-warnings', join(root, 'node_modules/jest/bin/jest.js'), ...args], {
  cwd: root,
  stdio: 'inherit',
  env,
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => jest.kill(signal));
jest.once('exit', (code) => {
  if (scratch) rmSync(scratch, { recursive: true, force: true });
  process.exit(code ?? 1);
});
