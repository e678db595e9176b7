import { randomBytes } from 'node:crypto';
import pg from 'pg';

const TEMPLATE = 'morag_template';

function fromGlobalSetup(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is unset: run the tests with npm test`);
  return value;
}

/** Far more than look into a database at once: a statement that waits for a lock must keep nobody else waiting. */
const CONNECTIONS = 20;

/** A migrated, empty database of its own for one test file. */
export class TestDatabase {
  private readonly pool: pg.Pool;

  private constructor(
    readonly name: string,
    /** As the server logs in: with no right of its own. */
    readonly url: string,
    /** As a superuser, whom no policy binds: for looking at what is really there. */
    readonly superuserUrl: string,
  ) {
    // A connection costs thirty times what a usual statement does, and tests that wait for something ask often.
    this.pool = new pg.Pool({ connectionString: superuserUrl, max: CONNECTIONS, allowExitOnIdle: true });
    this.pool.on('error', () => undefined);
  }

  static create(): Promise<TestDatabase> {
    return TestDatabase.copyOf(TEMPLATE);
  }

  /** One in which nothing has been set up. */
  static createEmpty(): Promise<TestDatabase> {
    return TestDatabase.copyOf('template0');
  }

  private static async copyOf(template: string): Promise<TestDatabase> {
    const name = `test_${randomBytes(6).toString('hex')}`;
    await asSuperuser((client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${template} OWNER morag`));
    const at = (variable: string): string => fromGlobalSetup(variable).replace(/\/[^/]*$/, `/${name}`);
    return new TestDatabase(name, at('MORAG_TEST_TEMPLATE_URL'), at('MORAG_TEST_SUPERUSER_URL'));
  }

  /** Runs one statement as superuser and answers its rows. */
  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.pool.query<Row>(sql, values)).rows;
  }

  /** The same for rows that were always there: no trigger tells of them, nor enters them in the audit, which takes longer than all the rest. */
  async seed(sql: string, values: unknown[] = []): Promise<void> {
    const client = await this.pool.connect();
    try {
      await client.query('SET session_replication_role = replica');
      await client.query(sql, values);
    } finally {
      // Its setting goes with it.
      client.release(true);
    }
  }

  async drop(): Promise<void> {
    const ended = this.pool.end();
    await asSuperuser((client) => client.query(`DROP DATABASE ${this.name} WITH (FORCE)`));
    await ended;
  }
}

async function asSuperuser<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: fromGlobalSetup('MORAG_TEST_SUPERUSER_URL') });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
