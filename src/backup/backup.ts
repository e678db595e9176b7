import { createReadStream, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Sealer } from '../common/sealer.js';
import { Config, SECRETS_FILE } from '../config/config.js';
import { StartupError, type Env } from '../config/env.js';
import { refuseUnfinishedRestore } from '../config/unfinished-restore.js';
import { WAITING_ENTRIES } from '../jobs/queue.js';
import { DatabaseSnapshot } from '../persistence/database-snapshot.js';
import { EmbeddedPostgres } from '../persistence/embedded-postgres.js';
import { VectorServers1764000000021 } from '../persistence/migrations/1764000000021-vector-servers.js';
import { MIGRATIONS } from '../persistence/migrations/index.js';
import { BackupWriter } from './backup-writer.js';
import { FORMAT, type Manifest } from './manifest.js';
import { SnapshotContents } from './snapshot-contents.js';
import { StoreCopies } from './store-copies.js';

/** What comes back must not be a session that somebody has ended since. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  sessions: 'one that was ended after the backup would live again: everybody signs in once more',
  refresh_tokens: 'they belong to the sessions',
};

export interface BackupOptions {
  out: string;
  /** Whether the secrets that the server made for itself go into it. */
  withSecrets: boolean;
  /** Tells whoever waits how far it is. */
  say: (line: string) => void;
  signal: AbortSignal;
}

/** From here on the rows say what a backup asks them. */
const OLDEST_SCHEMA = VectorServers1764000000021.name;

const SERVER_VERSION = (JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }).version;

/**
 * Copies the installation that the environment describes, whether a server runs on it or not.
 * @throws StartupError when there is none, or the place is taken; then, and whenever else it fails, nothing is left behind
 */
export async function makeBackup(env: Env, options: BackupOptions): Promise<void> {
  refuseWithoutInstallation(env);
  const config = new Config(env);
  refuseUnfinishedRestore(config.dataDir);
  const embedded = env.DATABASE_URL === undefined ? await EmbeddedPostgres.join(config.dataDir, options.say) : undefined;
  try {
    const snapshot = await DatabaseSnapshot.open(embedded?.url ?? env.DATABASE_DIRECT_URL ?? env.DATABASE_URL!);
    try {
      await new Backup(config, snapshot, options).run();
    } finally {
      await snapshot.close();
    }
  } finally {
    await embedded?.leave();
  }
}

function refuseWithoutInstallation({ DATABASE_URL, DATA_DIR }: Env): void {
  const hasDatabase = DATABASE_URL !== undefined || ['postgres', 'postgres-location'].some((name) => existsSync(path.join(DATA_DIR, name)));
  if (!hasDatabase) throw new StartupError(`There is no installation in DATA_DIR ${path.resolve(DATA_DIR)}. Set the variables that the server has.`);
}

/**
 * One backup: first the rows, as they are at one moment, and then what they name in the other stores. Files and versions of points never change
 * once rows name them, and as long as the snapshot is open nobody removes any (`backupRuns`): what is copied later is what was there then.
 */
class Backup {
  private readonly contents: SnapshotContents;

  constructor(
    private readonly config: Config,
    private readonly snapshot: DatabaseSnapshot,
    private readonly options: BackupOptions,
  ) {
    this.contents = new SnapshotContents(snapshot);
  }

  async run(): Promise<void> {
    const writer = await BackupWriter.open(this.options.out, this.options.signal);
    try {
      const manifest = await this.copy(writer);
      await this.snapshot.assertHeld();
      await writer.finish(manifest);
      this.sum(manifest);
    } catch (error) {
      await writer.discard();
      throw error;
    }
  }

  private async copy(writer: BackupWriter): Promise<Manifest> {
    const migrations = await this.snapshot.migrations();
    refuseForeignSchema(migrations);
    const { postgresVersion, snapshot, takenAt } = await this.snapshot.facts();
    this.options.say(`A backup of ${takenAt}, into ${path.resolve(this.options.out)}`);
    const stores = new StoreCopies(this.config, this.contents, writer, this.options);
    return {
      format: FORMAT,
      server_version: SERVER_VERSION,
      postgres_version: postgresVersion,
      taken_at: takenAt,
      snapshot,
      migrations,
      months: await this.snapshot.months(),
      tables: await this.copyTables(writer),
      tables_left_out: LEFT_OUT,
      sequences: await this.snapshot.sequences(),
      queue: await this.copyQueue(writer),
      collections: await stores.copyCollections(),
      files: await stores.copyFiles(),
      sealing_key_ids: new Sealer(this.config.sealingKeys).keyIds,
      generated_secrets: await this.copySecrets(writer),
      missing: stores.missing,
      databases_on_own_servers: await this.contents.databasesOnOwnServers(),
    };
  }

  private async copyTables(writer: BackupWriter): Promise<Manifest['tables']> {
    const copied: Manifest['tables'] = [];
    for (const table of await this.snapshot.tables()) {
      if (table.name in LEFT_OUT) continue;
      const rows = this.snapshot.copyOut(table);
      const stored = await writer.write(`tables/${table.name}.copy.zst`, rows);
      copied.push({ ...table, rows: rows.rowCount, ...stored });
    }
    this.options.say(`  ${copied.length} tables, ${copied.reduce((sum, { rows }) => sum + rows, 0)} rows`);
    return copied;
  }

  private async copyQueue(writer: BackupWriter): Promise<Manifest['queue']> {
    const entries = await this.snapshot.query(WAITING_ENTRIES);
    const stored = await writer.write('queue.jsonl.zst', entries.map((entry) => `${JSON.stringify(entry)}\n`));
    this.options.say(`  ${entries.length} entries of the queue`);
    return { entries: entries.length, ...stored };
  }

  /** Only what the server made for itself: who sets a secret keeps it. */
  private async copySecrets(writer: BackupWriter): Promise<Manifest['generated_secrets']> {
    const { JWT_SECRET, SEALING_KEY } = this.config.env;
    const isGenerated = JWT_SECRET === undefined || SEALING_KEY === undefined;
    if (!isGenerated || !this.options.withSecrets) return null;
    return writer.write(SECRETS_FILE, createReadStream(path.join(this.config.dataDir, SECRETS_FILE)));
  }

  private sum({ missing, databases_on_own_servers: elsewhere, generated_secrets: secrets }: Manifest): void {
    const { say } = this.options;
    if (missing.files > 0) say(`  ${missing.files} files were missing already: see "missing" in the manifest`);
    if (missing.documents_with_other_vectors > 0) say(`  ${missing.documents_with_other_vectors} documents have other vectors than their chunks: see "missing" in the manifest`);
    if (elsewhere > 0) say(`  ${elsewhere} databases have their vectors on servers of their tenants, which are not in it`);
    say(secrets ? '  With the generated secrets: whoever reads it can open what is sealed in it.' : '  Without the keys that open what is sealed in it: keep them elsewhere.');
    say('The backup is whole.');
  }
}

function refuseForeignSchema(migrations: readonly string[]): void {
  const known = MIGRATIONS.map(({ name }) => name);
  if (migrations.length === 0) throw new StartupError('The database has no schema yet: a server never ran on it.');
  const newer = migrations.find((name) => !known.includes(name));
  if (newer !== undefined) throw new StartupError(`The database was last used by a newer version (this one does not know its migration ${newer}). Back it up with that version.`);
  if (!migrations.includes(OLDEST_SCHEMA)) throw new StartupError('The database was last used by a version that is too old for a backup by this one. Start the server once, which upgrades it, or copy what that version left by other means.');
}
