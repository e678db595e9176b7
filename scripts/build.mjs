// Builds dist/ when something it is made from has changed since; two processes that start together build once.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const entry = join(root, 'dist/src/main.js');
// The compiler leaves files alone whose text did not change, so their times do not say when it last ran.
const stamp = join(root, 'dist/.built');
const lock = join(root, 'dist/.building');

const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** A folder's own time changes when a file in it is added, renamed or deleted. */
function lastChangeIn(folder) {
  let time = changed(folder);
  for (const item of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, item.name);
    if (item.isDirectory()) time = Math.max(time, lastChangeIn(path));
    else if (!item.name.endsWith('.spec.ts')) time = Math.max(time, changed(path));
  }
  return time;
}

function isStale() {
  const sources = join(root, 'src');
  if (!existsSync(sources)) return false;
  if (!existsSync(entry)) return true;
  const made = Math.max(changed(stamp), changed(entry));
  const loose = ['ormconfig.ts', 'tsconfig.json', 'tsconfig.build.json', 'nest-cli.json'].map((name) => changed(join(root, name)));
  return Math.max(lastChangeIn(sources), ...loose) > made;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Whoever held the lock died with it. */
function isAbandoned() {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    // Empty: just created and not yet written to, unless it has been so for long.
    return pid === 0 ? Date.now() - statSync(lock).mtimeMs > 5000 : !isAlive(pid);
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

function tryLock() {
  mkdirSync(join(root, 'dist'), { recursive: true });
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (isAbandoned()) rmSync(lock, { force: true });
    return false;
  }
}

function build() {
  const begun = new Date();
  // The incremental state says what was written, not whether it is still there.
  if (!existsSync(entry)) rmSync(join(root, 'dist/.tsbuildinfo'), { force: true });
  console.error('Building…');
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules/@nestjs/cli/bin/nest.js'), 'build'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) return false;
  writeFileSync(stamp, '');
  utimesSync(stamp, begun, begun);
  return true;
}

/** Resolves to false when the build fails; the compiler has said why by then, on standard error. */
export async function buildIfStale() {
  while (isStale()) {
    if (!tryLock()) {
      await sleep(100);
      continue;
    }
    try {
      return !isStale() || build();
    } finally {
      rmSync(lock, { force: true });
    }
  }
  return true;
}
