import { createReadStream, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pLimit from 'p-limit';
import { Sealer } from '../common/sealer.js';
import { Config, SECRETS_FILE } from '../config/config.js';
import { StartupError, type Env } from '../config/env.js';
import { refuseUnfinishedRestore } from '../config/unfinished-restore.js';
import { LanceDbStore } from '../databases/vector-stores/lancedb.store.js';
import { encodePoints } from '../databases/vector-stores/point-files.js';
import { BlobStore } from '../documents/storage/blob-store.js';
import { WAITING_ENTRIES } from '../jobs/queue.js';
import { DatabaseSnapshot } from '../persistence/database-snapshot.js';
import { EmbeddedPostgres } from '../persistence/embedded-postgres.js';
import { MIGRATIONS } from '../persistence/migrations/index.js';
import { BackupWriter } from './backup-writer.js';
import { openFile } from './blob-files.js';
import { FORMAT, type FileEntry, type Manifest } from './manifest.js';
import { NeededPoints } from './needed-points.js';
import { SnapshotContents, type NeededCollection } from './snapshot-contents.js';

/** What comes back must not be a session that somebody has ended since. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  sessions: 'one that was ended after the backup would live again: everybody signs in once more',
  refresh_tokens: 'they belong to the sessions',
};
const FILES_AT_ONCE = 8;
const MOST_EXAMPLES = 20;
/** A worker that adds points a second time takes them out again at once. */
const LOOKS_AT_TWINS = 5;
const BETWEEN_LOOKS_MS = 1000;
const SAY_EVERY_MS = 5000;

export interface BackupOptions {
  out: string;
  /** Whether the secrets that the server made for itself go into it. */
  withSecrets: boolean;
  /** Tells whoever waits how far it is. */
  say(line: string): void;
  signal: AbortSignal;
}

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
    const snapshot = await DatabaseSnapshot.open(embedded?.url ?? env.DATABASE_URL!);
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

type Missing = Manifest['missing'];

/**
 * One backup: first the rows, as they are at one moment, and then what they name in the other stores. Files and versions of points never change
 * once rows name them, and as long as the snapshot is open nobody removes any (`backupRuns`): what is copied later is what was there then.
 */
class Backup {
  private readonly contents: SnapshotContents;
  private readonly missing: Missing = { files: 0, documents_with_other_vectors: 0, examples: [] };
  private saidAt = performance.now();

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
    return {
      format: FORMAT,
      server_version: SERVER_VERSION,
      postgres_version: postgresVersion,
      taken_at: takenAt,
      snapshot,
      migrations,
      tables: await this.copyTables(writer),
      tables_left_out: LEFT_OUT,
      sequences: await this.snapshot.sequences(),
      queue: await this.copyQueue(writer),
      collections: await this.copyCollections(writer),
      files: await this.copyFiles(writer),
      sealing_key_ids: new Sealer(this.config.sealingKeys).keyIds,
      generated_secrets: await this.copySecrets(writer),
      missing: this.missing,
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
    this.options.say(`  ${copied.length} tables, ${sumOf(copied.map(({ rows }) => rows))} rows`);
    return copied;
  }

  private async copyQueue(writer: BackupWriter): Promise<Manifest['queue']> {
    const entries = await this.snapshot.query(WAITING_ENTRIES);
    const stored = await writer.write('queue.jsonl.zst', entries.map((entry) => `${JSON.stringify(entry)}\n`));
    this.options.say(`  ${entries.length} entries of the queue`);
    return { entries: entries.length, ...stored };
  }

  private async copyCollections(writer: BackupWriter): Promise<Manifest['collections']> {
    const vectors = await LanceDbStore.open({ directory: this.config.vectorDir, logger: { warn: (message) => this.options.say(message) } });
    try {
      const copied: Manifest['collections'] = [];
      for (const [at, needed] of (await this.contents.collections()).entries()) {
        const collection = await this.copyCollection(writer, vectors, needed, `vectors/${at + 1}.points.zst`);
        if (collection) copied.push(collection);
        this.sayNowAndThen(`  … ${at + 1} collections`);
      }
      this.options.say(`  ${copied.length} collections, ${sumOf(copied.map(({ points }) => points))} vectors`);
      return copied;
    } finally {
      await vectors.close();
    }
  }

  private async copyCollection(writer: BackupWriter, vectors: LanceDbStore, needed: NeededCollection, file: string): Promise<Manifest['collections'][number] | undefined> {
    const versions = await this.contents.versions(needed);
    for (let look = 1; ; look++) {
      this.options.signal.throwIfAborted();
      const points = new NeededPoints(needed.tenantId, versions);
      const stored = await vectors.readAll(needed.name, async ({ dimensions, distance, pages }) => {
        const written = await writer.write(file, encodePoints(points.of(pages), dimensions));
        return { name: needed.name, dimensions, distance, points: points.count, ...written };
      });
      const differing = needed.isServed ? points.differing() : [];
      if (look < LOOKS_AT_TWINS && differing.some(({ hasMore }) => hasMore)) {
        await delay(BETWEEN_LOOKS_MS);
        continue;
      }
      this.missing.documents_with_other_vectors += differing.length;
      for (const { documentId } of differing) this.giveExample(`vectors of the document ${documentId}`);
      return stored;
    }
  }

  private async copyFiles(writer: BackupWriter): Promise<Manifest['files']> {
    const copied = { count: 0, total_bytes: 0 };
    const list = await writer.write('files.jsonl.zst', this.copiedFiles(writer, await BlobStore.open(this.config.blobDir), copied));
    this.options.say(`  ${copied.count} files, ${copied.total_bytes} bytes`);
    return { ...copied, list };
  }

  /** Copies them and yields what the list says of them. */
  private async *copiedFiles(writer: BackupWriter, blobs: BlobStore, copied: { count: number; total_bytes: number }): AsyncGenerator<string> {
    const limit = pLimit(FILES_AT_ONCE);
    const copy = async (key: string): Promise<FileEntry | null> => {
      this.options.signal.throwIfAborted();
      const source = await openFile(blobs, key);
      if (!source) return null;
      const { bytes, sha256 } = await writer.write(`files/${key}`, source);
      return { key, bytes, sha256 };
    };
    for await (const page of this.contents.files()) {
      const keys = page.flatMap(({ originals, others }) => [...originals.map((key) => ({ key, isNeeded: true })), ...others.map((key) => ({ key, isNeeded: false }))]);
      const entries = await Promise.all(keys.map(({ key, isNeeded }) => limit(async () => ({ key, isNeeded, entry: await copy(key) }))));
      for (const { key, isNeeded, entry } of entries) {
        if (entry) {
          copied.count += 1;
          copied.total_bytes += entry.bytes;
          yield `${JSON.stringify(entry)}\n`;
        } else if (isNeeded) {
          this.missing.files += 1;
          this.giveExample(`the file ${key}`);
        }
      }
      this.sayNowAndThen(`  … ${copied.count} files`);
    }
  }

  /** Only what the server made for itself: who sets a secret keeps it. */
  private async copySecrets(writer: BackupWriter): Promise<Manifest['generated_secrets']> {
    const { JWT_SECRET, SEALING_KEY } = this.config.env;
    const isGenerated = JWT_SECRET === undefined || SEALING_KEY === undefined;
    if (!isGenerated || !this.options.withSecrets) return null;
    return writer.write(SECRETS_FILE, createReadStream(path.join(this.config.dataDir, SECRETS_FILE)));
  }

  private giveExample(what: string): void {
    if (this.missing.examples.length < MOST_EXAMPLES) this.missing.examples.push(what);
  }

  private sayNowAndThen(line: string): void {
    if (performance.now() - this.saidAt < SAY_EVERY_MS) return;
    this.saidAt = performance.now();
    this.options.say(line);
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
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
