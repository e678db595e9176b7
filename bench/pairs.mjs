// So many pairs of an API process and a worker on one database, one Redis and one data directory, each process with a fixed share of one
// processor; and the people who use them all at once, as fast as they are answered.
import { Agent, request } from 'node:http';
import pg from 'pg';
import { passages } from './corpus.mjs';
import { ProcessorShare, familySeconds, idleSeconds } from './processor-share.mjs';
import { seed } from './seed.mjs';

const TENANTS = 4;
const READERS_A_PAIR = 6;
const WRITERS_A_PAIR = 2;
/** Accepted and not ended: enough that no worker waits for work, and few enough to be done soon after a round. */
const OPEN_A_PAIR = 8;
const PASSAGES_A_TEXT = 4;
const RAMP_UP_MS = 600;
const LOOK_MS = 50;

const secondsOf = (servers) => servers.reduce((sum, { child }) => sum + familySeconds(child.pid), 0);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Through the whole run, so that nothing comes twice. */
let texts = 0;

export class Pairs {
  #apis;
  #workers;
  #client;
  #agent = new Agent({ keepAlive: true });
  #people = [];

  constructor(apis, workers, client) {
    this.#apis = apis;
    this.#workers = workers;
    this.#client = client;
  }

  /** @param start `(name, role)` starts a server */
  static async open(count, { superuserUrl, start }) {
    const started = (role) => Promise.all(Array.from({ length: count }, (_, at) => start(`${role}-${at + 1}-of-${count}`, role)));
    const [apis, workers] = await Promise.all([started('api'), started('worker')]);
    const client = new pg.Client({ connectionString: superuserUrl });
    await client.connect();
    const pairs = new Pairs(apis, workers, client);
    for (let at = 0; at < TENANTS; at += 1) pairs.#people.push(await seed(apis[at % count].url, superuserUrl, 1));
    return pairs;
  }

  /** Not before they have started and people have signed in, which takes a whole processor for a while. @returns the limits, to be ended after the processes */
  limitTo(share) {
    return [...this.#apis, ...this.#workers].map(({ child }) => ProcessorShare.of(share, child.pid));
  }

  /** Everybody sends and reads for so long, and what was sent is then done. */
  async round(seconds) {
    const urls = this.#apis.map(({ url }) => url);
    const round = { since: new Date(), isOver: false, reads: 0, accepted: 0, ended: 0 };
    const people = urls.flatMap((url, at) => [
      ...Array.from({ length: READERS_A_PAIR }, (_, reader) => this.#read(round, url, this.#people[(at + reader) % TENANTS])),
      ...Array.from({ length: WRITERS_A_PAIR }, (_, writer) => this.#write(round, url, this.#people[(at + writer) % TENANTS], urls.length)),
    ]);
    const done = Promise.all([...people, this.#watch(round)]);
    const measured = this.#measure(round, seconds).finally(() => (round.isOver = true));
    await Promise.all([done, measured]);
    return measured;
  }

  async close() {
    this.#agent.destroy();
    await this.#client.end();
  }

  async #measure(round, seconds) {
    await pause(RAMP_UP_MS);
    const before = await this.#takeDown(round);
    await pause(seconds * 1000);
    const after = await this.#takeDown(round);
    const took = after.at - before.at;
    return Object.fromEntries(Object.keys(after).filter((name) => name !== 'at').map((name) => [name, (after[name] - before[name]) / took]));
  }

  /** Counters that only go up, each a second makes a rate: documents, answers, and processors in use. */
  async #takeDown({ reads, since }) {
    const { rows } = await this.#client.query(`SELECT count(*)::int AS ended FROM jobs WHERE created_at >= $1 AND status = 'FINISHED'`, [since]);
    return { at: performance.now() / 1000, documents: rows[0].ended, reads, apis: secondsOf(this.#apis), workers: secondsOf(this.#workers), postgres: familySeconds(await this.#postmaster()), idle: idleSeconds() };
  }

  async #postmaster() {
    const { rows } = await this.#client.query(`SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid`);
    return rows[0].pid;
  }

  async #read(round, url, { key }) {
    while (!round.isOver) {
      await this.#call(url, 'GET', '/api/v1/documents?limit=5', { 'x-api-key': key });
      round.reads += 1;
    }
  }

  async #write(round, url, { token }, pairs) {
    while (!round.isOver) {
      if (round.accepted - round.ended >= OPEN_A_PAIR * pairs) await pause(LOOK_MS / 5);
      else {
        round.accepted += 1;
        texts += 1;
        const body = JSON.stringify({ title: `Text ${texts}`, content: passages(texts * PASSAGES_A_TEXT, PASSAGES_A_TEXT).join('\n\n') });
        await this.#call(url, 'POST', '/api/v1/ingest/text', { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }, body);
      }
    }
  }

  /** Until all that was accepted has ended, and none of it in failure. */
  async #watch(round) {
    while (!round.isOver || round.ended < round.accepted) {
      await pause(LOOK_MS);
      const { rows } = await this.#client.query(`SELECT count(*)::int AS ended, count(*) FILTER (WHERE status <> 'FINISHED')::int AS failed FROM jobs WHERE created_at >= $1 AND ended_at IS NOT NULL`, [round.since]);
      if (rows[0].failed > 0) throw new Error(`${rows[0].failed} documents were not ingested`);
      round.ended = rows[0].ended;
    }
  }

  #call(url, method, path, headers, body = '') {
    return new Promise((resolve, reject) => {
      const sent = request(`${url}${path}`, { method, headers, agent: this.#agent }, (response) => {
        response.once('end', () => (response.statusCode < 300 ? resolve() : reject(new Error(`${method} ${path} answered ${response.statusCode}`)))).once('error', reject);
        response.resume();
      });
      sent.once('error', reject).end(body);
    });
  }
}
