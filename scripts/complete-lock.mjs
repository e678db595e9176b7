// Adds to package-lock.json the other platforms' binary packages that npm left out.
//
// npm drops an optional dependency from the lock file when the registry at hand cannot serve it (a mirror that keeps only some platforms);
// `npm ci` then refuses the lock file as out of date, here and everywhere. An entry without `integrity` is complete enough for it: the
// package is skipped where its platform does not fit and fetched where it does. Run after every `npm install`; `npm run check` says when.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const OS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32', 'windows'];
const CPU = ['arm64', 'arm', 'x64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'wasm32'];

/** The optional dependencies that some package of the lock file names and that have no entry in it. */
export function missingOptionalPackages(lock) {
  const missing = new Map();
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (!isResolvable(lock, path, name)) missing.set(`node_modules/${name}`, { version, dev: entry.dev, devOptional: entry.devOptional });
    }
  }
  return missing;
}

function isResolvable(lock, path, name) {
  for (let folder = path; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('node_modules/') - 1))) {
    if (lock.packages[`${folder ? `${folder}/` : ''}node_modules/${name}`]) return true;
    if (!folder) return false;
  }
}

function platformOf(name) {
  const words = name.split('/').at(-1).split('-');
  const os = words.find((word) => OS.includes(word));
  const cpu = words.find((word) => CPU.includes(word));
  const libc = words.some((word) => word.startsWith('musl')) ? 'musl' : words.includes('gnu') && os === 'linux' ? 'glibc' : undefined;
  return {
    ...(cpu && { cpu: [cpu] }),
    ...(libc && { libc: [libc] }),
    ...(os && { os: [os === 'windows' ? 'win32' : os] }),
  };
}

function completed(lock) {
  const packages = { ...lock.packages };
  for (const [path, { version, dev, devOptional }] of missingOptionalPackages(lock)) {
    if (!/^\d+\.\d+\.\d+/.test(version)) throw new Error(`${path} is wanted as "${version}", which is no exact version: add it by hand`);
    packages[path] = {
      version,
      ...platformOf(path),
      ...(dev && { dev }),
      ...(devOptional && { devOptional }),
      optional: true,
    };
  }
  const inOrder = Object.keys(packages).sort((a, b) => a.localeCompare(b, 'en'));
  return { ...lock, packages: Object.fromEntries(inOrder.map((path) => [path, packages[path]])) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = new URL('../package-lock.json', import.meta.url);
  const lock = JSON.parse(readFileSync(file, 'utf8'));
  const added = missingOptionalPackages(lock);
  if (added.size > 0) writeFileSync(file, `${JSON.stringify(completed(lock), null, 2)}\n`);
  console.log(added.size > 0 ? `added ${added.size}: ${[...added.keys()].join(' ')}` : 'nothing is missing');
}
