// A Redis of the bench's own, which keeps nothing.
import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';

export const hasRedis = () => spawnSync('redis-server', ['--version']).status === 0;

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** @returns its `url`, and what ends it */
export async function startRedis(directory) {
  const port = await freePort();
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    let said = '';
    child.once('exit', () => reject(new Error(`redis-server ended: ${said}`)));
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text;
      if (said.includes('Ready to accept connections')) resolve();
    });
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  return { url: `redis://127.0.0.1:${port}`, stop: () => (child.kill('SIGKILL'), ended) };
}
