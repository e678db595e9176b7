import { promisify } from 'node:util';
import yauzl, { type Entry, type ZipFile } from 'yauzl';
import { ExtractionFailed } from '../extraction-failed.js';

const MAX_ENTRIES = 2_000;
const MAX_UNCOMPRESSED_BYTES = 200 * 1024 * 1024;
const MAX_RATIO = 100;
/** Small parts (empty style sheets, relationship lists) may compress better than any limit, and do no harm. */
const RATIO_FLOOR_BYTES = 1024 * 1024;
const LOCAL_HEADER_BYTES = 30;

const openBuffer = promisify<Buffer, yauzl.Options, ZipFile>(yauzl.fromBuffer);

/** The one way into packages of untrusted origin: nothing is inflated before the central directory has passed the limits. */
export class ZipArchive {
  private inflatedBytes = 0;

  private constructor(
    private readonly zip: ZipFile,
    private readonly entries: ReadonlyMap<string, Entry>,
  ) {}

  /** @throws {ExtractionFailed} `corrupt_file`, `encrypted_file`, `archive_limits`. */
  static async open(bytes: Buffer): Promise<ZipArchive> {
    const zip = await openBuffer(bytes, { lazyEntries: true, validateEntrySizes: false }).catch((error: unknown) => {
      throw new ExtractionFailed('corrupt_file', 'The file is not a whole zip archive.', { cause: error });
    });
    // The count comes from the trailer, so ten million entries are refused without reading one.
    if (zip.entryCount > MAX_ENTRIES) throw limit('too many entries');
    const entries = await readEntries(zip).catch((error: unknown) => {
      throw new ExtractionFailed('corrupt_file', 'The directory of the archive is damaged.', { cause: error });
    });
    checkSizes(entries, bytes.length);
    checkOverlaps(entries, bytes);
    if (entries.some((entry) => entry.isEncrypted())) throw new ExtractionFailed('encrypted_file', 'The archive is encrypted.');
    return new ZipArchive(zip, new Map(entries.map((entry) => [entry.fileName, entry])));
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  /** Inflates one entry piece by piece, believing no size that the archive states. @throws {ExtractionFailed} `corrupt_file`, `archive_limits`. */
  async *pieces(name: string): AsyncGenerator<Buffer> {
    const entry = this.entries.get(name);
    if (entry === undefined) throw new ExtractionFailed('corrupt_file', 'A part of the archive is missing.');
    const stream = await promisify<Entry, NodeJS.ReadableStream>(this.zip.openReadStream.bind(this.zip))(entry);
    let size = 0;
    for await (const piece of stream as AsyncIterable<Buffer>) {
      size += piece.length;
      this.inflatedBytes += piece.length;
      if (size > entry.uncompressedSize) throw limit('an entry is larger than it says');
      if (this.inflatedBytes > MAX_UNCOMPRESSED_BYTES) throw limit('too many bytes');
      yield piece;
    }
  }

  async read(name: string): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.pieces(name)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  /** An XML part as text. Office formats forbid DTDs, and without one there are no entities to expand or fetch. */
  async readXml(name: string): Promise<string> {
    const xml = new TextDecoder('utf-8').decode(await this.read(name));
    if (/<!DOCTYPE|<!ENTITY/i.test(xml)) throw new ExtractionFailed('corrupt_file', 'A part of the archive contains a DTD.');
    return xml;
  }
}

function readEntries(zip: ZipFile): Promise<Entry[]> {
  return new Promise((resolve, reject) => {
    const entries: Entry[] = [];
    zip.on('entry', (entry: Entry) => {
      entries.push(entry);
      zip.readEntry();
    });
    zip.once('end', () => resolve(entries));
    zip.once('error', reject);
    zip.readEntry();
  });
}

function checkSizes(entries: readonly Entry[], archiveBytes: number): void {
  let total = 0;
  for (const { compressedSize, uncompressedSize } of entries) {
    total += uncompressedSize;
    if (total > MAX_UNCOMPRESSED_BYTES) throw limit('too many bytes');
    if (uncompressedSize > RATIO_FLOOR_BYTES && uncompressedSize > MAX_RATIO * compressedSize) throw limit('compressed too well');
  }
  if (total > MAX_RATIO * archiveBytes) throw limit('compressed too well');
}

/** Overlapping entries let one compressed block be inflated many times (D. Fifield, "A better zip bomb", 2019). */
function checkOverlaps(entries: readonly Entry[], bytes: Buffer): void {
  const byOffset = entries.toSorted((a, b) => a.relativeOffsetOfLocalHeader - b.relativeOffsetOfLocalHeader);
  let free = 0;
  for (const { relativeOffsetOfLocalHeader: start, compressedSize } of byOffset) {
    if (start < free) throw limit('overlapping entries');
    if (start + LOCAL_HEADER_BYTES > bytes.length) throw new ExtractionFailed('corrupt_file', 'The archive is cut off.');
    free = start + LOCAL_HEADER_BYTES + bytes.readUInt16LE(start + 26) + bytes.readUInt16LE(start + 28) + compressedSize;
  }
}

function limit(what: string): ExtractionFailed {
  return new ExtractionFailed('archive_limits', `The archive exceeds what is unpacked: ${what}.`);
}
