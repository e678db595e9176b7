// The system's Node may be too old for the server's packages; the development dependency `node` brings one that is not.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const OLDEST = [22, 18];
const bundled = fileURLToPath(new URL(process.platform === 'win32' ? '../node_modules/node/bin/node.exe' : '../node_modules/.bin/node', import.meta.url));

/** Resolves under a Node that is new enough; otherwise runs the calling script again under the bundled one and never resolves. */
export async function newEnoughNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  if (!existsSync(bundled) || process.env.MORAG_NODE_RETRIED) {
    console.error(`Node ${process.versions.node} is too old: this needs ${OLDEST.join('.')} or newer. Run \`npm ci\` first (it brings Node 24), then use the npm scripts.`);
    process.exit(1);
  }
  const child = spawn(bundled, [...process.execArgv, ...process.argv.slice(1)], { stdio: 'inherit', env: { ...process.env, MORAG_NODE_RETRIED: '1' } });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  const { code, signal } = await new Promise((resolve) => child.once('exit', (exitCode, exitSignal) => resolve({ code: exitCode, signal: exitSignal })));
  process.exit(code ?? (signal ? 1 : 0));
}
