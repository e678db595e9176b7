// An API and a worker as the ingestion rows use them: somebody sends documents, and the database tells how far they are.
import { join } from 'node:path';
import { connect } from '@lancedb/lancedb';
import pg from 'pg';
import { seed } from './seed.mjs';

export class Installation {
  #signIn;
  #token;
  #client;
  #dataDir;

  constructor(api, worker, { signIn, client, dataDir, atRest }) {
    this.api = api;
    this.worker = worker;
    /** What each had of the memory before anybody asked for anything, in bytes. */
    this.atRest = atRest;
    this.#signIn = signIn;
    this.#client = client;
    this.#dataDir = dataDir;
  }

  static async open(api, worker, { superuserUrl, dataDir, atRest }) {
    const { token, signIn } = await seed(api.url, superuserUrl, 1);
    const client = new pg.Client({ connectionString: superuserUrl });
    await client.connect();
    const installation = new Installation(api, worker, { signIn, client, dataDir, atRest });
    installation.#token = token;
    return installation;
  }

  /** Before a row: a token holds for a quarter of an hour, and the rows before may have taken longer. */
  async signInAgain() {
    this.#token = await this.#signIn();
  }

  async upload(name, bytes) {
    const form = new FormData();
    form.set('file', new Blob([bytes]), name);
    return this.#call('/api/v1/ingest/file', { method: 'POST', body: form });
  }

  list() {
    return this.#call('/api/v1/documents?limit=20');
  }

  search(question) {
    return this.#call('/api/v1/search', { method: 'POST', body: JSON.stringify(question), headers: { 'content-type': 'application/json' } });
  }

  /** Of the jobs made since then. */
  async progress(since) {
    const { rows } = await this.#client.query(
      `SELECT count(*) FILTER (WHERE status IN ('PENDING', 'PROCESSING'))::int AS open, count(*) FILTER (WHERE status = 'FAILED')::int AS failed,
              (extract(epoch FROM max(ended_at)) * 1000)::float AS "lastEnded"
         FROM jobs WHERE created_at >= to_timestamp($1 / 1000.0)`,
      [since],
    );
    return rows[0];
  }

  /** @returns when the last of the jobs made since then ended */
  async untilEnded(since) {
    for (;;) {
      const { open, failed, lastEnded } = await this.progress(since);
      if (failed > 0) throw new Error(`${failed} documents failed`);
      if (open === 0) return lastEnded;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** A list and a search, as a load can send them. */
  requests() {
    const headers = { authorization: `Bearer ${this.#token}` };
    const search = { method: 'POST', path: '/api/v1/search', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify({ query: 'bees of the lighthouse' }) };
    return [{ path: '/api/v1/documents?limit=20', headers }, search];
  }

  /** In ms since 1970. */
  async startOf(id) {
    const { rows } = await this.#client.query('SELECT (extract(epoch FROM started_at) * 1000)::float AS at FROM jobs WHERE id = $1', [id]);
    return rows[0].at;
  }

  /** Brings all vectors and words into their indexes, as a worker does after every so many documents. */
  async tidyUp() {
    const connection = await connect(join(this.#dataDir, 'vectors'));
    for (const name of await connection.tableNames()) await (await connection.openTable(name)).optimize();
    connection.close();
  }

  close() {
    return this.#client.end();
  }

  async #call(path, init = {}) {
    const response = await fetch(`${this.api.url}${path}`, { ...init, headers: { ...init.headers, authorization: `Bearer ${this.#token}` } });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${JSON.stringify(answer)}`);
    return answer;
  }
}
