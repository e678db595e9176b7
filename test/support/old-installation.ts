import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { migrationOptions } from '../../src/persistence/data-source.js';
import { MIGRATIONS } from '../../src/persistence/migrations/index.js';
import { TestDatabase } from './test-database.js';

/** What a server of that time left, with at least one row in each of its tables (`test/fixtures/upgrades/make.mjs`); and a key that it gave out. */
export const OLD_INSTALLATIONS = {
  '0.1.0': 'mk_live_lABx5Y2dd3Wz3ABBPxwjLfdxGzrYwG5D36U1mM',
  'migration-12': 'mk_live_xXDmktWKjNRvoWYju0eIa0Xu9K3VbqLJ2EGuqN',
  'migration-22': 'mk_live_A9Q15wuhEBVoRvlHlzDoGz4Dr7exQMAo1nNmtP',
} as const;
export type OldName = keyof typeof OLD_INSTALLATIONS;

/** Ada has documents, Bob has none. */
export const OLD_PEOPLE = { ada: 'ada@example.com', administrator: 'admin@example.com', administratorPassword: 'the-old-administrator' };

type Row = Record<string, unknown>;

/** The schema of an older version with what its server had written: rows, vectors and files. Not upgraded yet. */
export class OldInstallation {
  /** Its secrets came from the environment. */
  readonly env = { JWT_SECRET: 'a-jwt-secret-of-the-old-server-0000', SEALING_KEY: 'a-sealing-key-of-the-old-server-000' };

  private constructor(
    readonly database: TestDatabase,
    readonly dataDir: string,
    readonly migrations: number,
    readonly rows: Readonly<Record<string, Row[]>>,
  ) {}

  static async lay(name: OldName): Promise<OldInstallation> {
    const file = (ending: string): string => path.resolve('test/fixtures/upgrades', `${name}.${ending}`);
    const { migrations, rows } = JSON.parse(readFileSync(file('json'), 'utf8')) as { migrations: number; rows: Record<string, Row[]> };
    const dataDir = await mkdtemp(path.join(tmpdir(), 'morag-old-'));
    execFileSync('tar', ['-xzf', file('tar.gz'), '-C', dataDir]);
    const installation = new OldInstallation(await TestDatabase.createEmpty(), dataDir, migrations, rows);
    await installation.fill();
    return installation;
  }

  /** Runs `work` with as many migrations known as a version had. */
  async migrate(work: (source: DataSource) => Promise<unknown>, known = MIGRATIONS.length): Promise<void> {
    const source = await new DataSource({ ...migrationOptions(this.database.url), migrations: MIGRATIONS.slice(0, known) }).initialize();
    try {
      await work(source);
    } finally {
      await source.destroy();
    }
  }

  /** Rows that are not there any more as they were, in the columns that they had. */
  async lost(): Promise<Row[]> {
    const lost: Row[] = [];
    for (const [table, rows] of Object.entries(this.rows)) {
      const columns = Object.keys(rows[0]!);
      const asText = (row: Row): string => JSON.stringify(columns.map((column) => row[column]));
      const now = new Set((await this.database.query<{ row: Row }>(`SELECT to_jsonb(t) AS row FROM ${table} t`)).map(({ row }) => asText(row)));
      lost.push(...rows.filter((row) => !now.has(asText(row))).map((row) => ({ table, ...row })));
    }
    return lost;
  }

  async remove(): Promise<void> {
    await this.database.drop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  private async fill(): Promise<void> {
    const client = new pg.Client({ connectionString: this.database.superuserUrl });
    await client.connect();
    try {
      await client.query(`GRANT USAGE, CREATE ON SCHEMA public TO morag_owner; GRANT CREATE, CONNECT ON DATABASE ${this.database.name} TO morag_owner`);
      await this.migrate((source) => source.runMigrations(), this.migrations);
      // What triggers did is among the rows.
      await client.query('SET session_replication_role = replica');
      for (const [table, rows] of Object.entries(this.rows)) {
        const columns = Object.keys(rows[0]!).map((column) => `"${column}"`).join(', ');
        await client.query(`INSERT INTO ${table} (${columns}) SELECT ${columns} FROM jsonb_populate_recordset(NULL::${table}, $1)`, [JSON.stringify(rows)]);
      }
    } finally {
      await client.end();
    }
  }
}
