import { spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { giveWayToRequests } from '../../common/process-priority.js';
import { BlobStoreUnavailable } from '../documents.errors.js';
import type { OpenBlob } from '../storage/open-blob.js';
import type { ExtractedDocument } from './extracted-document.js';
import { ExtractionFailed, type ExtractionFailureCode } from './extraction-failed.js';
import type { ReadableType } from './media-type.js';

/** What the child is told of a file, whose bytes then come on its standard input. */
export interface Assignment {
  type: ReadableType;
  /** Of a page: without what surrounds its article, if it has one. */
  mainContentOnly: boolean;
  size: number;
}

/** What the child says, once a file. */
export interface Answer {
  document?: ExtractedDocument;
  failure?: { code: ExtractionFailureCode; message: string; permanent: boolean };
}

export interface ExtractionLimits {
  /** Wall clock for one file. */
  timeoutMs: number;
  /** Resident memory of the child, Buffers included. Watched on Linux only. */
  maxRssMb: number;
}

const WATCHDOG_INTERVAL_MS = 100;

/** A process that reads files, one after the other, and is killed by whoever has no more use for it. */
export class ExtractionChild {
  private readonly child: ChildProcess;
  private read = 0;
  private isWaitingForInput = false;

  constructor(command: readonly string[], directory: string) {
    this.child = spawn(process.execPath, command, {
      // The child needs no right to read any path, and the file's name appears nowhere.
      stdio: ['pipe', 'ignore', 'ignore', 'ipc'],
      serialization: 'advanced',
      cwd: directory,
      env: {},
    });
    // Of a child that died; its exit tells more.
    this.child.stdin!.on('error', () => undefined);
    this.child.on('error', () => undefined);
    if (this.child.pid !== undefined) giveWayToRequests(this.child.pid);
  }

  /** How many files it has answered. */
  get filesRead(): number {
    return this.read;
  }

  get isAlive(): boolean {
    return this.child.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** @throws ExtractionFailed; BlobStoreUnavailable when the input does not come; the signal's reason when aborted. The child is then of no more use. */
  async extract(input: OpenBlob, question: Omit<Assignment, 'size'>, limits: ExtractionLimits, signal: AbortSignal | undefined): Promise<ExtractedDocument> {
    try {
      const document = await this.answer(limits, signal, (fail) => this.assign(input, { ...question, size: input.sizeBytes }, fail));
      this.read += 1;
      return document;
    } finally {
      input.stream.destroy();
    }
  }

  /** In MB; null when the process is gone. */
  async residentMb(): Promise<number | null> {
    return this.child.pid === undefined ? null : residentMb(this.child.pid);
  }

  /** Between two files nothing of it keeps this process from ending. */
  rest(): void {
    this.child.unref();
    this.child.channel?.unref();
  }

  wake(): void {
    this.child.ref();
    this.child.channel?.ref();
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  private assign(input: OpenBlob, assignment: Assignment, fail: (failure: unknown) => void): void {
    // The channel and the pipe of a child that is already dead; its exit tells more.
    this.child.send(assignment, () => undefined);
    this.feed(input).catch((error: unknown) => {
      if (error instanceof BlobStoreUnavailable) fail(error);
      // Half a file is no file; what the child said before it died is already here.
      else this.kill();
    });
  }

  /** In pieces of a size that does not depend on the file's. */
  private async feed({ stream, sizeBytes }: OpenBlob): Promise<void> {
    const stdin = this.child.stdin!;
    let fedBytes = 0;
    this.isWaitingForInput = true;
    for await (const piece of stream as AsyncIterable<Buffer>) {
      this.isWaitingForInput = false;
      await new Promise<void>((resolve, reject) => stdin.write(piece, (error) => (error ? reject(error) : resolve())));
      fedBytes += piece.length;
      // The child may answer before the stream says that it has ended.
      if (fedBytes >= sizeBytes) break;
      this.isWaitingForInput = true;
    }
    this.isWaitingForInput = false;
    if (fedBytes !== sizeBytes) throw new Error('the file has not the size it had');
  }

  private answer({ timeoutMs, maxRssMb }: ExtractionLimits, signal: AbortSignal | undefined, assign: (fail: (failure: unknown) => void) => void): Promise<ExtractedDocument> {
    const { child } = this;
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        clearTimeout(timer);
        clearInterval(watchdog);
        signal?.removeEventListener('abort', abort);
        child.off('message', onMessage).off('error', onError).off('exit', onExit);
        finish();
      };
      const fail = (failure: unknown) => settle(() => reject(failure));
      const abort = () => fail(signal?.reason);
      const onMessage = (answer: unknown) => settle(() => receive(answer as Answer | null, resolve, reject));
      const onError = (error: unknown) => fail(crashed(error));
      const onExit = (_code: number | null, killedBy: NodeJS.Signals | null) => fail(killedBy === 'SIGABRT' ? outOfMemory() : crashed(killedBy));
      const timer = setTimeout(() => fail(this.isWaitingForInput ? new BlobStoreUnavailable('the file did not come in time') : new ExtractionFailed('parse_timeout', 'Reading the file took too long.')), timeoutMs);
      const watchdog = setInterval(() => void this.residentMb().then((rssMb) => rssMb !== null && rssMb > maxRssMb && fail(outOfMemory())), WATCHDOG_INTERVAL_MS);
      signal?.addEventListener('abort', abort, { once: true });
      child.on('message', onMessage).on('error', onError).on('exit', onExit);
      if (signal?.aborted) abort();
      else if (!this.isAlive && child.pid !== undefined) fail(crashed('it had ended before'));
      else assign(fail);
    });
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

/** From `status`, not `statm`, whose pages are not 4 kB on every machine. */
async function residentMb(pid: number): Promise<number | null> {
  if (process.platform !== 'linux') return null;
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'latin1'))?.[1];
    return kilobytes === undefined ? null : Number(kilobytes) / 1024;
  } catch (error) {
    // Any failure of the system means that there is nothing left to watch (ENOENT, ESRCH).
    if ((error as NodeJS.ErrnoException).code !== undefined) return null;
    throw error;
  }
}
