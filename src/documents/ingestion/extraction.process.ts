// The child's entry: files come in on standard input, one after the other and none of them by its path, and an answer for each goes out over IPC.
import { readSync } from 'node:fs';
import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import type { ExtractedDocument } from './extracted-document.js';
import type { Answer, Assignment } from './extraction-child.js';
import { ExtractionFailed } from './extraction-failed.js';
import { isReadableType, type ReadableType } from './media-type.js';

type Extractor = { extract: (bytes: Buffer, options: Pick<Assignment, 'mainContentOnly'>) => ExtractedDocument | Promise<ExtractedDocument> };

/** Imported only when needed: the PDF and Office libraries take longer to load than a small text takes to read. */
const EXTRACTORS: Record<ReadableType, () => Promise<Extractor>> = {
  pdf: () => import('./extractors/pdf.extractor.js'),
  docx: () => import('./extractors/docx.extractor.js'),
  pptx: () => import('./extractors/pptx.extractor.js'),
  xlsx: () => import('./extractors/xlsx.extractor.js'),
  html: () => import('./extractors/html.extractor.js'),
  md: () => import('./extractors/markdown.extractor.js'),
  txt: () => import('./extractors/plain-text.extractor.js'),
  csv: () => import('./extractors/csv.extractor.js'),
  tsv: () => import('./extractors/csv.extractor.js'),
  json: () => import('./extractors/json.extractor.js'),
  jsonl: () => import('./extractors/jsonl.extractor.js'),
  epub: () => import('./extractors/epub.extractor.js'),
  odt: () => import('./extractors/odt.extractor.js'),
  rtf: () => import('./extractors/rtf.extractor.js'),
};

/** Blocks until the file is here: there is nothing else to do. */
function readInput(size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let read = 0; read < size; ) {
    const more = readSync(0, bytes, read, size - read, null);
    if (more === 0) throw new Error('the input ended early');
    read += more;
  }
  return bytes;
}

async function run({ type, mainContentOnly, size }: Assignment): Promise<ExtractedDocument> {
  const { extract } = await EXTRACTORS[type]();
  const bytes = readInput(size);
  if (bytes.length === 0) throw new ExtractionFailed('empty_file', 'The file is empty.');
  try {
    return await extract(bytes, { mainContentOnly });
  } catch (error) {
    throw toFailure(error);
  }
}

/** Whatever a parser throws at a file is the file's fault, but for memory. */
function toFailure(error: unknown): ExtractionFailed {
  if (error instanceof ExtractionFailed) return error;
  if (error instanceof RangeError && /allocation failed|invalid (?:string|array|typed array) length/i.test(error.message)) {
    return new ExtractionFailed('out_of_memory', 'The file needs more memory than a document is given.', { cause: error });
  }
  return new ExtractionFailed('corrupt_file', 'The file cannot be parsed.', { cause: error });
}

function answer(message: Answer): void {
  // The parent ends this process when it has no more use for it; leaving by ourselves could cut a long answer off.
  process.send?.(message);
}

function fail(error: unknown): void {
  const failure =
    error instanceof ExtractionFailed
      ? error
      : new ExtractionFailed('extraction_crashed', 'The extraction could not start.', { permanent: false, cause: error });
  answer({ failure: { code: failure.code, message: failure.message, permanent: failure.permanent } });
}

/** Node's permission model does not cover the network before version 25; no parser here has business with it. */
function refuseNetwork(): void {
  Socket.prototype.connect = () => {
    throw new Error('extraction opens no connection');
  };
  for (const name of ['fetch', 'WebSocket', 'EventSource']) Reflect.deleteProperty(globalThis, name);
}

/**
 * A parser caught in a loop hears neither 'disconnect' nor a timer; when the parent is killed there is nobody left to
 * kill this process, so a thread looks out for that.
 */
function dieWithParent(): void {
  const code = `setInterval(() => process.ppid === ${process.ppid} || process.kill(process.pid, 'SIGKILL'), 1000);`;
  new Worker(code, { eval: true, resourceLimits: { maxOldGenerationSizeMb: 8 } }).unref();
}

/** What breaks between two files is the fault of neither: the parent then tries again in a new child. */
let isReading = false;

async function read(assignment: Assignment): Promise<void> {
  isReading = true;
  try {
    if (!isReadableType(assignment.type)) throw new ExtractionFailed('unsupported_type', 'The type is not supported.');
    answer({ document: await run(assignment) });
  } catch (error) {
    fail(error);
  } finally {
    isReading = false;
  }
}

refuseNetwork();
dieWithParent();
process.on('disconnect', () => process.exit(0));
// pdf.js leaves rejected promises behind on damaged files, of which the page's own promise tells as well.
process.on('unhandledRejection', () => undefined);
process.on('uncaughtException', (error) => (isReading ? fail(toFailure(error)) : process.exit(1)));
process.on('message', (assignment) => void read(assignment as Assignment));
