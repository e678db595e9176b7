// What package.json and package-lock.json must keep: the registry's own audit may not answer, these statements always do.
import { readFileSync } from 'node:fs';
import { missingOptionalPackages } from './complete-lock.mjs';

/** The oldest version without the holes that matter here. */
const OLDEST = { typeorm: '1.1.0', mammoth: '1.12.3', 'pdfjs-dist': '4.2.67', multer: '2.2.0' };

/** name → null: never, at any version; otherwise the first version that is fit. */
const REFUSED = {
  'private-ip': null,
  ssrfcheck: null,
  'node-html-markdown': null,
  xlsx: '0.19.0',
  'pdf-parse': '2.0.0',
};

const EXACT = /^(?:npm:.+@)?\d+\.\d+\.\d+(?:-[\w.-]+)?$/;

function isOlder(version, than) {
  const [a, b] = [version, than].map((text) => text.split('-')[0].split('.').map(Number));
  const at = b.findIndex((part, index) => part !== a[index]);
  return at === -1 ? version.includes('-') && !than.includes('-') : a[at] < b[at];
}

function* inexact(versions, path) {
  for (const [name, wanted] of Object.entries(versions ?? {})) {
    if (typeof wanted === 'object') yield* inexact(wanted, `${path}.${name}`);
    else if (!EXACT.test(wanted) && !(path.startsWith('overrides') && wanted.startsWith('$'))) yield `package.json: ${path}.${name} is "${wanted}", which is not one exact version`;
  }
}

function* brokenVersions(packages) {
  for (const [path, entry] of Object.entries(packages)) {
    if (path === '') continue;
    const name = entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const oldest = OLDEST[name] ?? REFUSED[name];
    if (oldest === null) yield `${path}: ${name} is refused`;
    else if (oldest && isOlder(entry.version, oldest)) yield `${path}: ${name} ${entry.version} is older than ${oldest}`;
    if (entry.resolved) yield `${path}: the lock file names a download address (${entry.resolved})`;
  }
}

function* differences(manifest, locked) {
  for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies']) {
    const [wanted, held] = [manifest[kind] ?? {}, locked[kind] ?? {}];
    for (const name of new Set([...Object.keys(wanted), ...Object.keys(held)])) {
      if (wanted[name] !== held[name]) yield `package-lock.json: ${kind}.${name} is ${held[name] ?? 'missing'}, package.json says ${wanted[name] ?? 'nothing'}`;
    }
  }
}

function* absent(lock) {
  const missing = [...missingOptionalPackages(lock).keys()];
  if (missing.length > 0) yield `package-lock.json: run node scripts/complete-lock.mjs, or \`npm ci\` refuses it for lack of ${missing.length} packages of other platforms, such as ${missing[0]}`;
}

function* undecidedScripts(manifest, lock) {
  for (const [path, { hasInstallScript }] of Object.entries(lock.packages)) {
    const name = path.split('node_modules/').at(-1);
    if (hasInstallScript && !(name in (manifest.allowScripts ?? {}))) yield `package.json: allowScripts neither allows nor refuses the install script of ${name}`;
  }
}

/** Every broken statement, in words. */
export function brokenPackageRules(manifest, lock) {
  return [
    ...['dependencies', 'devDependencies', 'optionalDependencies', 'overrides'].flatMap((kind) => [...inexact(manifest[kind], kind)]),
    ...brokenVersions(lock.packages),
    ...differences(manifest, lock.packages['']),
    ...absent(lock),
    ...undecidedScripts(manifest, lock),
  ];
}

if (import.meta.main ?? process.argv[1]?.endsWith('check-packages.mjs')) {
  const read = (name) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));
  const broken = brokenPackageRules(read('package.json'), read('package-lock.json'));
  for (const line of broken) console.log(line);
  process.exitCode = broken.length > 0 ? 1 : 0;
}
