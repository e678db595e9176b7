// The tests against a whole server (`*.e2e-spec.ts`) get the built one, loaded by Node itself and once for all test files of a worker: loading it
// through jest, anew for each file, takes a second of a processor every time, and what was compiled is not warm when it is asked. Unit specs test `src`.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { TestEnvironment } from 'jest-environment-node';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { dependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
/** Of these a test must have the very same as the server: Nest finds a provider by its class, for one. */
const PACKAGES = [...Object.keys(dependencies), '@nestjs/testing'];
/** Whatever the server made or a test hands to it must pass for one on the other side, too; a context of `node:vm` has its own of each. */
const CLASSES = { Date, Error, Map, RangeError, Reflect, Set, SyntaxError, TypeError };

/** Every source file, and the module that was built from it. */
function builtModules() {
  const built = path.join(root, 'dist/src');
  const names = readdirSync(built, { recursive: true }).filter((name) => name.endsWith('.js'));
  return names.map((name) => [path.join(root, 'src', name.replace(/\.js$/, '.ts')), pathToFileURL(path.join(built, name)).href]);
}

let modules;

class ServerTestEnvironment extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    if (!context.testPath.endsWith('.e2e-spec.ts')) return;
    modules ??= [...builtModules(), ...PACKAGES.map((name) => [name, name])].map(([name, target]) => ({ name, load: () => import(target) }));
    Object.assign(this.global, CLASSES, { moragNativeModules: modules });
  }
}

export { ServerTestEnvironment as default };
