import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExtractedDocument } from './extracted-document.js';
import { ExtractionFailed, type ExtractionFailureCode } from './extraction-failed.js';
import type { Declaration, DocumentType } from './media-type.js';

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

/** What the child is asked, once. */
export interface Question {
  type: DocumentType;
  mainContentOnly: boolean;
}

/** What the child says, once. */
export interface Answer {
  document?: ExtractedDocument;
  failure?: { code: ExtractionFailureCode; message: string; permanent: boolean };
}

const WATCHDOG_INTERVAL_MS = 100;

/** Parses each file in a process of its own, because no parser of untrusted bytes deserves our memory, secrets or time. */
export class Extraction {
  private readonly timeoutMs: number;
  private readonly maxRssMb: number;
  private readonly command: readonly string[];
  private readonly directory: string;

  constructor({ timeoutMs = 60_000, maxHeapMb = 512, maxRssMb = 1024, entry = compiledEntry() }: ExtractionOptions = {}) {
    this.timeoutMs = timeoutMs;
    this.maxRssMb = maxRssMb;
    this.directory = dirname(entry);
    this.command = [...nodeFlags(entry, maxHeapMb), entry];
  }

  /**
   * Reads the file at `inputPath` as `declared.type` (what `detectDocumentType` answered).
   *
   * Of a page, `mainContentOnly` leaves out what surrounds its article, if it has one.
   * @throws {ExtractionFailed} for this file alone; the signal's reason when aborted; a file system error when the input is not there.
   */
  async extract(inputPath: string, declared: Declaration & { type: DocumentType; mainContentOnly?: boolean }, signal?: AbortSignal): Promise<ExtractedDocument> {
    signal?.throwIfAborted();
    const input = await open(inputPath, 'r');
    try {
      return await this.run(input.fd, { type: declared.type, mainContentOnly: declared.mainContentOnly ?? false }, signal);
    } finally {
      await input.close();
    }
  }

  private run(inputFd: number, question: Question, signal: AbortSignal | undefined): Promise<ExtractedDocument> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, this.command, {
        // The input is handed over open: the child needs no right to read any path, and its name appears nowhere.
        stdio: [inputFd, 'ignore', 'ignore', 'ipc'],
        serialization: 'advanced',
        cwd: this.directory,
        env: {},
      });
      let settled = false;
      const settle = (finish: () => void) => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        clearInterval(watchdog);
        signal?.removeEventListener('abort', abort);
        child.kill('SIGKILL');
        finish();
      };
      const fail = (failure: unknown) => settle(() => reject(failure));
      const abort = () => fail(signal?.reason);
      const timer = setTimeout(() => fail(new ExtractionFailed('parse_timeout', 'Reading the file took too long.')), this.timeoutMs);
      const watchdog = setInterval(() => void this.watch(child, fail), WATCHDOG_INTERVAL_MS);
      signal?.addEventListener('abort', abort, { once: true });
      child.once('message', (answer) => settle(() => receive(answer as Answer | null, resolve, reject)));
      child.once('error', (error) => fail(crashed(error)));
      child.once('exit', (_code, killedBy) => fail(killedBy === 'SIGABRT' ? outOfMemory() : crashed(killedBy)));
      // The channel of a child that is already dead; its exit tells more.
      child.send(question, () => undefined);
    });
  }

  private async watch(child: ChildProcess, fail: (failure: ExtractionFailed) => void): Promise<void> {
    if (process.platform !== 'linux' || child.pid === undefined) return;
    const rssMb = await residentMb(child.pid);
    if (rssMb !== null && rssMb > this.maxRssMb) fail(outOfMemory());
  }
}

/** Believes no shape: a parser gone astray could send anything, and must not throw in this process. */
function receive(answer: Answer | null, resolve: (document: ExtractedDocument) => void, reject: (failure: ExtractionFailed) => void): void {
  if (answer?.document !== undefined) return resolve(answer.document);
  if (answer?.failure === undefined) return reject(crashed('an answer of unknown shape'));
  const { code, message, permanent } = answer.failure;
  reject(new ExtractionFailed(code, message, { permanent }));
}

function outOfMemory(): ExtractionFailed {
  return new ExtractionFailed('out_of_memory', 'The file needs more memory than a document is given.');
}

/** Not the file's fault as far as we know: the kernel, an operator or a bug ended the child. */
function crashed(cause: unknown): ExtractionFailed {
  return new ExtractionFailed('extraction_crashed', 'The extraction ended unexpectedly.', { permanent: false, cause });
}

/** From `status`, not `statm`, whose pages are not 4 kB on every machine. Null when the process is gone. */
async function residentMb(pid: number): Promise<number | null> {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'latin1'))?.[1];
    return kilobytes === undefined ? null : Number(kilobytes) / 1024;
  } catch (error) {
    // Any failure of the system means that there is nothing left to watch (ENOENT, ESRCH).
    if ((error as NodeJS.ErrnoException).code !== undefined) return null;
    throw error;
  }
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
