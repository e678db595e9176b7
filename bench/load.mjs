// Sends requests as fast as they are answered, from a process of its own: the runner's would share its time with the reports.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const CONNECTIONS = 32;
const TIMEOUT_SECONDS = 30;

/** The process that sends; one round at a time. */
export class Load {
  #child = fork(fileURLToPath(import.meta.url), ['child'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });

  /**
   * @param shots `{ url, requests, status }`: the connections share the requests out among them and begin again when they are through; the
   *   round fails when any is answered otherwise than with that status
   * @returns answers, seconds from the first to the last, latencies in ms
   */
  round(shots, seconds) {
    return new Promise((resolve, reject) => {
      const onExit = (code, signal) => reject(new Error(`the load process ended (${signal ?? code})`));
      this.#child.once('exit', onExit);
      this.#child.once('message', (message) => {
        this.#child.off('exit', onExit);
        if (message.failure === undefined) resolve(message);
        else reject(new Error(message.failure));
      });
      this.#child.send({ ...shots, seconds });
    });
  }

  stop() {
    if (this.#child.connected) this.#child.disconnect();
  }
}

const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

/**
 * Never lets the process sleep until the round is over. A sleeping one is woken by whoever answers it, in the midst of the system call that
 * writes the answer, which takes some 30 µs on a virtual machine: a price that only the slower of two servers would pay.
 */
async function whileAwake(running) {
  let awake = true;
  const spin = () => awake && setImmediate(spin);
  spin();
  try {
    return await running;
  } finally {
    awake = false;
  }
}

async function fire({ url, requests, status: expected = 200, seconds }) {
  const { default: autocannon } = await import('autocannon');
  const connections = Math.min(CONNECTIONS, requests.length === 1 ? CONNECTIONS : requests.length);
  const latencies = [];
  const refusals = new Map();
  let begun;
  let ended;
  let connection = 0;
  const running = autocannon({
    url,
    connections,
    duration: seconds,
    timeout: TIMEOUT_SECONDS,
    sampleInt: 100,
    setupClient(client) {
      const own = requests.length === 1 ? requests : requests.filter((_, at) => at % connections === connection);
      connection += 1;
      client.setRequests(own);
    },
  });
  // Its own histogram knows whole milliseconds only, which is about what one answer takes.
  running.on('response', (_client, status, _bytes, milliseconds) => {
    ended = performance.now();
    begun ??= ended;
    latencies.push(milliseconds);
    if (status !== expected) refusals.set(status, (refusals.get(status) ?? 0) + 1);
  });
  const { errors, timeouts, mismatches } = await whileAwake(running);
  // A bench that measures refusals is worth nothing.
  if (errors + timeouts + mismatches > 0 || refusals.size > 0) {
    const statuses = [...refusals].map(([status, count]) => `${count} × ${status}`).join(', ');
    throw new Error(`${url}: of ${latencies.length} answers not all were ${expected} (${statuses || 'no other status'}; ${errors} errors, ${timeouts} timeouts)`);
  }
  latencies.sort((a, b) => a - b);
  return { answers: latencies.length, seconds: (ended - begun) / 1000, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) };
}

if (process.argv[2] === 'child') {
  process.on('message', (shots) => {
    fire(shots).then(
      (result) => process.send(result),
      (error) => process.send({ failure: error.message }),
    );
  });
}
