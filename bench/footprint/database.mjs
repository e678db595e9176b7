// Looks at the database as its superuser: what is in it, and what it has done.
import { readdir, readFile } from 'node:fs/promises';
import pg from 'pg';

const NEW_ID = 'new_event_id()';
const NEW_CHECKSUM = `encode(sha256(uuid_send(gen_random_uuid())), 'hex')`;
/** Which values are others in a copy of a row. Chunks are many already. */
const COPIED = {
  documents: { id: NEW_ID, job_id: NEW_ID, content_checksum: NEW_CHECKSUM },
  document_contents: { document_id: NEW_ID, content_checksum: NEW_CHECKSUM },
  jobs: { id: NEW_ID, document_id: NEW_ID, delivery_id: NEW_ID },
  job_events: { job_id: NEW_ID },
  audit_entries: { id: NEW_ID, target_id: NEW_ID },
  audit_links: { sequence: 'sequence + 1000000 * copy', entry_id: NEW_ID },
};
const COPIES = 100;

async function stateOf(id) {
  const state = await readFile(`/proc/${id}/stat`, 'utf8');
  return state.slice(state.lastIndexOf(')') + 2).split(' ');
}

const parentOf = ([, parent]) => parent;

export class Database {
  #client;

  static async connect(url) {
    const database = new Database();
    database.#client = new pg.Client({ connectionString: url, application_name: 'footprint' });
    database.#client.on('error', (error) => console.error(String(error)));
    await database.#client.connect();
    return database;
  }

  async rows(sql, values) {
    return (await this.#client.query(sql, values)).rows;
  }

  async one(sql, values) {
    return (await this.rows(sql, values))[0];
  }

  /** What the whole server has done until now; its statistics are a second late. */
  async work() {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const { commits } = await this.one('SELECT xact_commit::float8 AS commits FROM pg_stat_database WHERE datname = current_database()');
    const { bytes } = await this.one(`SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS bytes`);
    const { images } = await this.one('SELECT wal_fpi::float8 AS images FROM pg_stat_wal');
    return { commits, walBytes: bytes, fullPages: images };
  }

  /** Real rows over and over, so that a table is large enough for the pages of its indexes not to count for more than their entries. */
  async multiply() {
    await this.rows('SET session_replication_role = replica');
    for (const [table, others] of Object.entries(COPIED)) {
      const columns = await this.rows(`SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`, [table]);
      const names = columns.map(({ name }) => name);
      await this.rows(`INSERT INTO ${table} (${names.join()}) SELECT ${names.map((name) => others[name] ?? name).join()} FROM ${table}, generate_series(1, ${COPIES}) AS copy`);
    }
    await this.rows('SET session_replication_role = origin');
  }

  async sizes(tables) {
    await this.rows('VACUUM (ANALYZE)');
    const sizes = {};
    for (const table of tables) {
      const parts = `(SELECT COALESCE(array_agg(inhrelid::regclass), '{}') FROM pg_inherits WHERE inhparent = $1::regclass) || $1::regclass`;
      const { rows, heap, toast, indexes } = await this.one(
        `SELECT (SELECT count(*)::float8 FROM ${table}) AS rows, sum(pg_relation_size(part))::float8 AS heap, sum(pg_table_size(part) - pg_relation_size(part))::float8 AS toast, sum(pg_indexes_size(part))::float8 AS indexes
           FROM unnest(${parts}) AS part`,
        [table],
      );
      sizes[table] = { rows, heap, toast, indexes, bytesARow: rows === 0 ? null : Math.round((heap + toast + indexes) / rows) };
    }
    return sizes;
  }

  /** What its sessions and helpers took of the processor since they began, in µs; Linux only, and null elsewhere. */
  async micros() {
    if (process.platform !== 'linux') return null;
    const { pid } = await this.one('SELECT pg_backend_pid() AS pid');
    const postmaster = parentOf(await stateOf(pid));
    // A process may end meanwhile.
    const states = await Promise.all((await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map((id) => stateOf(id).catch(() => [])));
    return states.filter((state) => parentOf(state) === postmaster).reduce((ticks, of) => ticks + Number(of[11]) + Number(of[12]), 0) * 10_000;
  }

  end() {
    return this.#client.end();
  }
}
