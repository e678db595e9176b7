// The child's entry: one file comes in on standard input (an open file, so that no path is readable), one answer goes out over IPC.
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import type { ExtractedDocument } from './extracted-document.js';
import type { Answer } from './extraction.js';
import { ExtractionFailed } from './extraction-failed.js';
import { isDocumentType, type DocumentType } from './media-type.js';

type Extractor = { extract: (bytes: Buffer) => ExtractedDocument | Promise<ExtractedDocument> };

/** Imported only when needed: the PDF and Office libraries take longer to load than a small text takes to read. */
const EXTRACTORS: Record<DocumentType, () => Promise<Extractor>> = {
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

async function run(type: DocumentType): Promise<ExtractedDocument> {
  const { extract } = await EXTRACTORS[type]();
  const bytes = readFileSync(0);
  if (bytes.length === 0) throw new ExtractionFailed('empty_file', 'The file is empty.');
  try {
    return await extract(bytes);
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
  // The parent ends this process once it has the answer; leaving by ourselves could cut a long one off.
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

refuseNetwork();
dieWithParent();
process.on('disconnect', () => process.exit(0));
// pdf.js leaves rejected promises behind on damaged files, of which the page's own promise tells as well.
process.on('unhandledRejection', () => undefined);
process.on('uncaughtException', (error) => fail(toFailure(error)));
process.once('message', (type) => {
  if (!isDocumentType(type)) return fail(new ExtractionFailed('unsupported_type', 'The type is not supported.'));
  run(type).then((document) => answer({ document }), fail);
});
