import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { text } from 'node:stream/consumers';
import pLimit from 'p-limit';
import { Sealer } from '../common/sealer.js';
import { Config, SECRETS_FILE, type Secrets } from '../config/config.js';
import { StartupError, type Env } from '../config/env.js';
import { markUnfinishedRestore, refuseUnfinishedRestore, unmarkUnfinishedRestore } from '../config/unfinished-restore.js';
import { LanceDbStore } from '../databases/vector-stores/lancedb.store.js';
import { decodePoints } from '../databases/vector-stores/point-files.js';
import { Queue, type WaitingEntry } from '../jobs/queue.js';
import { setUpQueue } from '../jobs/queue.setup.js';
import { DatabaseRestoration, refuseUnlessEmpty } from '../persistence/database-restoration.js';
import { setUpDatabase } from '../persistence/database-setup.js';
import { EmbeddedPostgres } from '../persistence/embedded-postgres.js';
import { MIGRATIONS } from '../persistence/migrations/index.js';
import { BackupReader } from './backup-reader.js';
import { holdsFiles, keepFile, withFiles } from './blob-files.js';
import { isFilled } from './directories.js';
import type { FileEntry, Manifest } from './manifest.js';

const FILES_AT_ONCE = 8;
const ENTRIES_AT_ONCE = 500;

export interface RestoreOptions {
  from: string;
  /** Only whether the backup is whole. */
  verifyOnly: boolean;
  /** To go on without the keys that open what is sealed. */
  withoutKeys: boolean;
  say: (line: string) => void;
}

/**
 * Makes, where nothing is yet, the installation that a backup is of. Rows come last and all at once, so that a server sees an empty database
 * or the whole; a mark in DATA_DIR keeps every server away until the end.
 * @throws StartupError before anything was changed, when the backup is not whole or the place not empty
 */
export async function restoreBackup(env: Env, options: RestoreOptions): Promise<void> {
  const backup = await BackupReader.open(options.from);
  const { manifest } = backup;
  options.say(`A backup of ${manifest.taken_at}, made by version ${manifest.server_version}: ${manifest.files.count} files, ${manifest.collections.length} collections, ${manifest.tables.length} tables`);
  refuseNewer(manifest);
  await backup.verify();
  options.say('  It is whole: every checksum is right.');
  if (options.verifyOnly) return;
  const secrets = manifest.generated_secrets ? await text(backup.read(manifest.generated_secrets)) : null;
  if (!options.withoutKeys) refuseWithoutKeys(env, manifest, secrets);
  await refuseOccupied(env, manifest);
  await new Restore(env, backup, options).run(secrets);
}

function refuseNewer({ migrations }: Manifest): void {
  const newer = migrations.find((name, at) => name !== MIGRATIONS[at]?.name);
  if (newer !== undefined) throw new StartupError(`The backup was made by a newer version (this one does not know its migration ${newer}). Restore it with that version.`);
}

/** What is sealed with a key that nobody has any more cannot be opened ever again; so let them look for it first. */
function refuseWithoutKeys(env: Env, { sealing_key_ids: needed }: Manifest, secrets: string | null): void {
  const configured = [env.SEALING_KEY, env.SEALING_KEY_PREVIOUS].filter((key) => key !== undefined);
  const generated = env.SEALING_KEY === undefined && secrets !== null ? [(JSON.parse(secrets) as Secrets).sealing] : [];
  const [first, ...others] = [...configured, ...generated];
  const held = first === undefined ? [] : new Sealer([first, ...others]).keyIds;
  if (needed.every((id) => held.includes(id))) return;
  throw new StartupError('SEALING_KEY is not the one of the backup, whose stored credentials could not be opened. Set it (or SEALING_KEY_PREVIOUS), or say --without-keys to restore all the rest.');
}

async function refuseOccupied({ DATA_DIR, DATABASE_URL, DATABASE_DIRECT_URL, BLOB_STORE }: Env, { migrations }: Manifest): Promise<void> {
  const dataDir = path.resolve(DATA_DIR);
  refuseUnfinishedRestore(dataDir);
  if (await isFilled(dataDir)) throw new StartupError(`DATA_DIR ${dataDir} is not empty${existsSync(path.join(dataDir, 'postgres')) ? ': there is an installation in it' : ''}. Restore into an empty directory.`);
  if (DATABASE_URL !== undefined) await refuseUnlessEmpty(DATABASE_DIRECT_URL ?? DATABASE_URL, migrations);
  if (BLOB_STORE !== undefined && (await holdsFiles(BLOB_STORE))) throw new StartupError(`BLOB_STORE is not empty. Restore into an empty one.`);
}

/** One restore, into a place that was found empty. */
class Restore {
  constructor(
    private readonly env: Env,
    private readonly backup: BackupReader,
    private readonly options: RestoreOptions,
  ) {}

  private get manifest(): Manifest {
    return this.backup.manifest;
  }

  async run(secrets: string | null): Promise<void> {
    const dataDir = path.resolve(this.env.DATA_DIR);
    await mkdir(dataDir, { recursive: true });
    markUnfinishedRestore(dataDir);
    if (secrets !== null) await writeFile(path.join(dataDir, SECRETS_FILE), secrets, { mode: 0o600, flush: true });
    const config = new Config(this.env);
    await this.restoreFiles(config);
    await this.restoreVectors(config);
    await this.restoreDatabase(config);
    unmarkUnfinishedRestore(dataDir);
    if (this.manifest.databases_on_own_servers > 0) this.options.say(`  ${this.manifest.databases_on_own_servers} databases have their vectors on servers of their tenants: npm run reconcile tells what differs there.`);
    this.options.say('The restore is done: start the server. Everybody signs in anew, and keys that were revoked after the backup are valid again.');
  }

  private async restoreFiles(config: Config): Promise<void> {
    await withFiles(config, async (blobs) => {
      const limit = pLimit(FILES_AT_ONCE);
      const keep = (page: readonly FileEntry[]): Promise<unknown> => Promise.all(page.map((entry) => limit(() => keepFile(blobs, entry, this.backup.readFile(entry.key)))));
      let page: FileEntry[] = [];
      for await (const entry of this.backup.files()) {
        page.push(entry);
        if (page.length < 100 * FILES_AT_ONCE) continue;
        await keep(page);
        page = [];
      }
      await keep(page);
    });
    this.options.say(`  ${this.manifest.files.count} files`);
  }

  private async restoreVectors({ vectorDir }: Config): Promise<void> {
    const vectors = await LanceDbStore.open({ directory: vectorDir, logger: { warn: (message) => this.options.say(message) }, sweeps: false });
    try {
      for (const stored of this.manifest.collections) await vectors.fill(stored.name, { dimensions: stored.dimensions, distance: stored.distance, pages: decodePoints(this.backup.read(stored)) });
      // Takes the points into their indexes, which grow with what they hold.
      await vectors.maintain();
    } finally {
      await vectors.close();
    }
    this.options.say(`  ${this.manifest.collections.length} collections`);
  }

  private async restoreDatabase({ dataDir, env }: Config): Promise<void> {
    const warn = (message: string): void => this.options.say(message);
    const embedded = env.DATABASE_URL === undefined ? await EmbeddedPostgres.join(dataDir, warn) : undefined;
    const url = embedded?.url ?? env.DATABASE_DIRECT_URL ?? env.DATABASE_URL!;
    try {
      // As far as the backup's were: whatever newer ones do to rows they do at the next start.
      await setUpDatabase(url, { production: env.NODE_ENV === 'production', warn, migrations: this.manifest.migrations.length });
      await setUpQueue(url);
      const queue = new Queue(url, { worker: false });
      try {
        await DatabaseRestoration.run(url, async (restoration) => {
          await restoration.openMonths(this.manifest.months);
          await this.restoreTables(restoration);
          for (const sequence of this.manifest.sequences) await restoration.setSequence(sequence);
          await this.restoreQueue(restoration, queue);
        });
      } finally {
        await queue.stop();
      }
    } finally {
      await embedded?.leave();
    }
    this.options.say(`  ${this.manifest.tables.length} tables, ${this.manifest.queue.entries} entries of the queue`);
  }

  private async restoreTables(restoration: DatabaseRestoration): Promise<void> {
    for (const { name } of await restoration.tables()) {
      const stored = this.manifest.tables.find((table) => table.name === name);
      if (!stored && name in this.manifest.tables_left_out) continue;
      if (!stored) throw new StartupError(`The backup has no rows of the table ${name}.`);
      const rows = await restoration.copyIn({ name, columns: stored.columns }, (table) => pipeline(this.backup.read(stored), table));
      if (rows !== stored.rows) throw new StartupError(`The table ${name} got ${rows} rows of ${stored.rows}.`);
    }
  }

  /** In the order in which they came, within each queue. */
  private async restoreQueue(restoration: DatabaseRestoration, queue: Queue): Promise<void> {
    const send = (name: string, entries: readonly WaitingEntry[]): Promise<void> => queue.sendAgain((sql, values) => restoration.query(sql, values), name, entries);
    const waiting = new Map<string, WaitingEntry[]>();
    for await (const line of this.backup.lines(this.manifest.queue)) {
      const { queue: name, entry } = JSON.parse(line) as { queue: string; entry: WaitingEntry };
      const entries = waiting.get(name) ?? [];
      waiting.set(name, entries);
      entries.push(entry);
      if (entries.length === ENTRIES_AT_ONCE) await send(name, entries.splice(0));
    }
    for (const [name, entries] of waiting) if (entries.length > 0) await send(name, entries);
  }
}
