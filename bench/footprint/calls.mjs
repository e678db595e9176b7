// What a call costs: round trips, and time of the processor.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { root } from '../../scripts/build.mjs';
import { TenantCalls } from '../tenant-calls.mjs';

const REPEATS = 20;
const CALLERS = 8;

export async function measureCalls(trips, idleASecond, { calls, key, documentId, url }) {
  const byKey = async (address, secret) => {
    const response = await fetch(`${url}${address}`, { headers: { 'x-api-key': secret } });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`${address} answered ${response.status}`);
  };
  const keys = [];
  for (let at = 0; at < 10; at++) keys.push((await calls.call('POST', '/api/v1/api-keys', { name: `cold ${at}`, permissions: ['read'] })).secret_key);
  // Nothing is remembered for a while of a tenant whose keys have changed.
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const measured = {};
  await byKey('/api/v1/jobs?limit=1', key);
  const of = async (name, times, work) => (measured[name] = Math.round((await trips.perCall(times, idleASecond, work)) * 10) / 10);
  await of('a list of jobs, hot key', REPEATS, () => byKey('/api/v1/jobs?limit=1', key));
  await of('a list of jobs, cold key', keys.length, (at) => byKey('/api/v1/jobs?limit=1', keys[at]));
  await of('a list of jobs, access token', REPEATS, () => calls.call('GET', '/api/v1/jobs?limit=1'));
  await of('one document', REPEATS, () => calls.call('GET', `/api/v1/documents/${documentId}`));
  await of('50 documents', REPEATS, () => calls.call('GET', '/api/v1/documents?limit=50'));
  await of('a search', REPEATS, () => calls.call('POST', '/api/v1/search', { query: 'words of the corpus' }));
  return measured;
}

/** What a server in a process of its own, and the database, take of the processor for an answer, beside what they take when nobody asks. */
export async function measureProcessor(databaseUrl, directory, { database, token, documentId }) {
  const environment = { ...process.env, NODE_ENV: 'development', DATABASE_URL: databaseUrl, DATA_DIR: directory, ROLE: 'api', LOG_LEVEL: 'info', DOCS_ENABLED: 'false', PORT: '0' };
  const child = fork(path.join(root, 'bench/servers/installed.mjs'), { env: environment, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const [{ url }] = await once(child, 'message');
  const callers = Array.from({ length: CALLERS }, () => new TenantCalls(url, token));
  const spent = async () => {
    child.send('cpu');
    return { server: (await once(child, 'message'))[0].cpuMicros, database: await database.micros(), at: performance.now() };
  };
  const send = (count, request) => Promise.all(callers.map(async (calls) => {
    for (let sent = 0; sent < count / CALLERS; sent++) await calls.call(...request);
  }));
  const requests = {
    'one document': ['GET', `/api/v1/documents/${documentId}`],
    '50 documents': ['GET', '/api/v1/documents?limit=50'],
    'a search': ['POST', '/api/v1/search', { query: 'words of the corpus' }],
  };
  const measured = {};
  try {
    for (const [name, request] of Object.entries(requests)) {
      await send(80, request);
      const before = await spent();
      await send(400, request);
      const after = await spent();
      await new Promise((resolve) => setTimeout(resolve, 2000));
      const idle = await spent();
      const share = (after.at - before.at) / (idle.at - after.at);
      const of = (who) => (after[who] === null ? null : Math.round((after[who] - before[who] - (idle[who] - after[who]) * share) / 400));
      measured[name] = { serverMicros: of('server'), databaseMicros: of('database') };
    }
    return measured;
  } finally {
    for (const calls of callers) calls.close();
    child.disconnect();
    await once(child, 'exit');
  }
}
