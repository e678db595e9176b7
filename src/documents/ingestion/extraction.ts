import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { OpenBlob } from '../storage/open-blob.js';
import type { ExtractedDocument } from './extracted-document.js';
import { ExtractionChild, type ExtractionLimits } from './extraction-child.js';
import { ExtractionFailed } from './extraction-failed.js';
import type { Declaration, ReadableType } from './media-type.js';
import { RestedChildren } from './rested-children.js';

export interface ExtractionOptions {
  /** Wall clock for one file; default 60 s. */
  timeoutMs?: number;
  /** V8's old space of the child, in MB; default 512. */
  maxHeapMb?: number;
  /** Resident memory of the child, Buffers included, in MB; default 1024. Watched on Linux only. */
  maxRssMb?: number;
  /** The child's compiled entry; for tests. */
  entry?: string;
}

export interface ExtractionSubject extends Declaration {
  /** What `detectDocumentType` answered. */
  type: ReadableType;
  /** Whose file it is: a child that read a file reads no other owner's. Without one it reads this file alone. */
  owner?: string;
  /** Of a page, leaves out what surrounds its article, if it has one. */
  mainContentOnly?: boolean;
}

/** Opens the file anew for each child that reads it. */
export type Opening = () => Promise<OpenBlob>;

/** Beyond these a child has read enough: whatever it may have kept of its files goes with it. */
const MOST_FILES = 200;
const MOST_KEPT_MB = 300;

/** Parses files in processes of their own, because no parser of untrusted bytes deserves our memory, secrets or time. */
export class Extraction {
  private readonly limits: ExtractionLimits;
  private readonly command: readonly string[];
  private readonly directory: string;
  private readonly rested = new RestedChildren();

  constructor({ timeoutMs = 60_000, maxHeapMb = 512, maxRssMb = 1024, entry = compiledEntry() }: ExtractionOptions = {}) {
    this.limits = { timeoutMs, maxRssMb };
    this.directory = dirname(entry);
    this.command = [...nodeFlags(entry, maxHeapMb), entry];
  }

  onApplicationShutdown(): void {
    this.rested.clear();
  }

  /**
   * Reads a file as `subject.type`.
   *
   * @throws {ExtractionFailed} for this file alone; the signal's reason when aborted; what opening the input throws, and what its stream breaks with.
   */
  async extract(input: Opening, subject: ExtractionSubject, signal?: AbortSignal): Promise<ExtractedDocument> {
    signal?.throwIfAborted();
    return (await this.inRestedChild(input, subject, signal)) ?? (await this.inChild(new ExtractionChild(this.command, this.directory), input, subject, signal));
  }

  /**
   * Undefined when there is none, or when it failed: only what fails in a child that saw no other file is the file's fault. A file that
   * takes too long has had its time.
   */
  private async inRestedChild(input: Opening, subject: ExtractionSubject, signal: AbortSignal | undefined): Promise<ExtractedDocument | undefined> {
    const child = subject.owner === undefined ? undefined : this.rested.take(subject.owner);
    if (!child) return undefined;
    try {
      return await this.inChild(child, input, subject, signal);
    } catch (error) {
      if (error instanceof ExtractionFailed && error.code !== 'parse_timeout') return undefined;
      throw error;
    }
  }

  private async inChild(child: ExtractionChild, input: Opening, { type, owner, mainContentOnly = false }: ExtractionSubject, signal: AbortSignal | undefined): Promise<ExtractedDocument> {
    try {
      const document = await child.extract(await input(), { type, mainContentOnly }, this.limits, signal);
      if (owner === undefined || !(await mayReadMore(child))) child.kill();
      else this.rested.keep(owner, child);
      return document;
    } catch (error) {
      child.kill();
      throw error;
    }
  }
}

async function mayReadMore(child: ExtractionChild): Promise<boolean> {
  const residentMb = await child.residentMb();
  return child.filesRead < MOST_FILES && residentMb !== null && residentMb < MOST_KEPT_MB;
}

/** Under jest only the TypeScript source runs in this process; the child is then taken from the last build in `dist`. */
function compiledEntry(): string {
  const path = import.meta.url.endsWith('.ts') ? '../../../dist/src/documents/ingestion/extraction.process.js' : './extraction.process.js';
  return fileURLToPath(new URL(path, import.meta.url));
}

function nodeFlags(entry: string, maxHeapMb: number): string[] {
  return [
    '--permission',
    ...readablePaths(entry).map((path) => `--allow-fs-read=${path}`),
    '--allow-worker',
    '--disallow-code-generation-from-strings',
    '--no-warnings',
    `--max-old-space-size=${maxHeapMb}`,
  ];
}

/** The compiled code beside the entry and the libraries; not the project's root, where `.env` and the data directory may lie. */
function readablePaths(entry: string): string[] {
  const paths = [join(realDirectory(dirname(entry)), '*')];
  for (let directory = dirname(entry); directory !== dirname(directory); directory = dirname(directory)) {
    const libraries = join(directory, 'node_modules');
    if (existsSync(libraries)) return [...paths, join(libraries, '*'), join(realDirectory(libraries), '*'), join(directory, 'package.json')];
  }
  return paths;
}

function realDirectory(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}
