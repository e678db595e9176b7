import { setTimeout as delay } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { Config } from '../config/config.js';
import { LanceDbStore } from '../databases/vector-stores/lancedb.store.js';
import { encodePoints } from '../databases/vector-stores/point-files.js';
import type { BlobStore } from '../documents/storage/blob-store.js';
import type { BackupWriter } from './backup-writer.js';
import { openFile, withFiles } from './blob-files.js';
import type { FileEntry, Manifest } from './manifest.js';
import { NeededPoints } from './needed-points.js';
import type { NeededCollection, SnapshotContents } from './snapshot-contents.js';

const FILES_AT_ONCE = 8;
const MOST_EXAMPLES = 20;
/** A worker that adds points a second time takes them out again at once. */
const LOOKS_AT_TWINS = 5;
const BETWEEN_LOOKS_MS = 1000;
const SAY_EVERY_MS = 5000;

/** Copies what the rows of a snapshot name in the stores beside the database, and notes what of it is not there. */
export class StoreCopies {
  readonly missing: Manifest['missing'] = { files: 0, documents_with_other_vectors: 0, examples: [] };
  private saidAt = performance.now();

  constructor(
    private readonly config: Config,
    private readonly contents: SnapshotContents,
    private readonly writer: BackupWriter,
    private readonly options: { say: (line: string) => void; signal: AbortSignal },
  ) {}

  async copyCollections(): Promise<Manifest['collections']> {
    const vectors = await LanceDbStore.open({ directory: this.config.vectorDir, logger: { warn: (message) => this.options.say(message) }, sweeps: false });
    try {
      const copied: Manifest['collections'] = [];
      for (const [at, needed] of (await this.contents.collections()).entries()) {
        const collection = await this.copyCollection(vectors, needed, `vectors/${at + 1}.points.zst`);
        if (collection) copied.push(collection);
        this.sayNowAndThen(`  … ${at + 1} collections`);
      }
      this.options.say(`  ${copied.length} collections, ${copied.reduce((sum, { points }) => sum + points, 0)} vectors`);
      return copied;
    } finally {
      await vectors.close();
    }
  }

  private async copyCollection(vectors: LanceDbStore, needed: NeededCollection, file: string): Promise<Manifest['collections'][number] | undefined> {
    const versions = await this.contents.versions(needed);
    for (let look = 1; ; look++) {
      this.options.signal.throwIfAborted();
      const points = new NeededPoints(needed.tenantId, versions);
      const stored = await vectors.readAll(needed.name, this.options.signal, async ({ dimensions, distance, pages }) => {
        const written = await this.writer.write(file, encodePoints(points.of(pages), dimensions));
        return { name: needed.name, dimensions, distance, points: points.count, ...written };
      });
      const differing = needed.isServed ? points.differing() : [];
      if (look < LOOKS_AT_TWINS && differing.some(({ hasMore }) => hasMore)) {
        await delay(BETWEEN_LOOKS_MS, undefined, { signal: this.options.signal });
        continue;
      }
      this.missing.documents_with_other_vectors += differing.length;
      for (const { documentId } of differing) this.giveExample(`vectors of the document ${documentId}`);
      return stored;
    }
  }

  async copyFiles(): Promise<Manifest['files']> {
    const copied = { count: 0, total_bytes: 0 };
    const list = await withFiles(this.config, (blobs) => this.writer.write('files.jsonl.zst', this.copiedFiles(blobs, copied)));
    this.options.say(`  ${copied.count} files, ${copied.total_bytes} bytes`);
    return { ...copied, list };
  }

  /** Copies them and yields what the list says of them. */
  private async *copiedFiles(blobs: BlobStore, copied: { count: number; total_bytes: number }): AsyncGenerator<string> {
    const limit = pLimit(FILES_AT_ONCE);
    const copy = async (key: string): Promise<FileEntry | null> => {
      this.options.signal.throwIfAborted();
      const source = await openFile(blobs, key);
      if (!source) return null;
      const { bytes, sha256 } = await this.writer.write(`files/${key}`, source);
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

  private giveExample(what: string): void {
    if (this.missing.examples.length < MOST_EXAMPLES) this.missing.examples.push(what);
  }

  private sayNowAndThen(line: string): void {
    if (performance.now() - this.saidAt < SAY_EVERY_MS) return;
    this.saidAt = performance.now();
    this.options.say(line);
  }
}
