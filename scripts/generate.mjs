// Writes what is generated from the code and committed: the OpenAPI document, the permission snapshot, the README's table of variables.
// With --check it writes nothing and fails where the committed files differ.
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildIfStale, root } from './build.mjs';
import { newEnoughNode } from './node24.mjs';

await newEnoughNode();
if (!(await buildIfStale())) process.exit(1);

const from = (file) => import(`../dist/src/${file}`);
const json = (value) => `${JSON.stringify(value, null, 2)}\n`;

async function fromRunningApplication() {
  const [{ createApp }, { createRootLogger }, { Config }, { readEnv }, { EmbeddedPostgres }, { setUpDatabase }, { setUpQueue }, { createOpenApiDocument }, { ClosedByDefault }] =
    await Promise.all(
      ['app.js', 'common/logging.js', 'config/config.js', 'config/env.js', 'persistence/embedded-postgres.js', 'persistence/database-setup.js', 'jobs/queue.setup.js', 'openapi.js', 'auth/closed-by-default.js'].map(from),
    );
  const dataDir = await mkdtemp(path.join(tmpdir(), 'morag-generate-'));
  await chmod(dataDir, 0o755);
  const embedded = await EmbeddedPostgres.join(dataDir, console.warn);
  try {
    await setUpDatabase(embedded.url, { production: false, warn: console.warn });
    await setUpQueue(embedded.url);
    const app = await createApp(new Config(readEnv({ DATA_DIR: dataDir, ROLE: 'api', DOCS_ENABLED: 'false' })), embedded.url, createRootLogger('warn'));
    await app.init();
    const document = createOpenApiDocument(app);
    const routes = app.get(ClosedByDefault, { strict: false }).routes();
    await app.close();
    return { document, routes };
  } finally {
    await embedded.leave();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function readmeWithVariables() {
  const { describeVariables } = await from('config/env.js');
  const rows = describeVariables().map(({ name, type, fallback, meaning, secret }) => `| \`${name}\` | ${type} | ${fallback === '' ? '' : `\`${fallback}\``} | ${meaning}${secret ? ' *(secret)*' : ''} |`);
  const table = ['| variable | type | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
  const readme = await readFile(path.join(root, 'README.md'), 'utf8');
  return readme.replace(/(<!-- variables -->\n)[\s\S]*?(<!-- \/variables -->)/, (_, start, end) => `${start}${table}\n${end}`);
}

const { document, routes } = await fromRunningApplication();
const generated = {
  'openapi.json': json(document),
  'test/architecture/endpoint-permissions.json': json(Object.fromEntries(routes.map((route) => [`${route.method} ${route.path}`, route.access]))),
  'README.md': await readmeWithVariables(),
};

let drifted = 0;
for (const [name, content] of Object.entries(generated)) {
  const file = path.join(root, name);
  const committed = existsSync(file) ? await readFile(file, 'utf8') : '';
  if (committed === content) continue;
  drifted += 1;
  if (process.argv.includes('--check')) console.error(`${name} is not what the code generates: run npm run generate and review the difference`);
  else await writeFile(file, content);
}
process.exitCode = process.argv.includes('--check') && drifted > 0 ? 1 : 0;
