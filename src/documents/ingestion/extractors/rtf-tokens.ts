import { ExtractionFailed } from '../extraction-failed.js';

export type RtfToken =
  | { kind: 'open' }
  | { kind: 'close' }
  /** A control word, or a control symbol (`*`, `~`), with its number if it has one. */
  | { kind: 'control'; word: string; parameter: number | null }
  /** A run of text as bytes of the code page in force. */
  | { kind: 'bytes'; bytes: Uint8Array };

const [BACKSLASH, OPEN, CLOSE, CR, LF, APOSTROPHE] = [0x5c, 0x7b, 0x7d, 0x0d, 0x0a, 0x27];
/** The specification allows 32 letters and ten digits; nothing longer means anything. */
const CONTROL = /^([a-zA-Z]{1,32})(-?\d{1,10})? ?/;
const CONTROL_LENGTH = 45;

/**
 * Cuts Rich Text Format (specification 1.9.1, "RTF Syntax") into tokens; `\bin` data is skipped here, since only its length says where it ends.
 *
 * @throws {ExtractionFailed} `corrupt_file`.
 */
export function* rtfTokens(bytes: Buffer): Generator<RtfToken> {
  let position = 0;
  while (position < bytes.length) {
    const byte = bytes[position]!;
    if (byte === OPEN || byte === CLOSE) {
      position += 1;
      yield { kind: byte === OPEN ? 'open' : 'close' };
      continue;
    }
    const run = readRun(bytes, position);
    if (run.end > position) {
      position = run.end;
      if (run.bytes.length > 0) yield { kind: 'bytes', bytes: run.bytes };
      continue;
    }
    const match = CONTROL.exec(bytes.toString('latin1', position + 1, position + 1 + CONTROL_LENGTH));
    if (match === null) {
      position += 2;
      yield symbol(bytes, position - 1);
      continue;
    }
    const [whole, word = '', digits] = match;
    const parameter = digits === undefined ? null : Number(digits);
    position += 1 + whole.length;
    if (word === 'bin') position += Math.max(0, parameter ?? 0);
    else yield { kind: 'control', word, parameter };
  }
}

/** Text as far as it goes, escaped bytes (`\'e9`, `\{`) included and line ends left out: they mean nothing here. */
function readRun(bytes: Buffer, start: number): { bytes: Uint8Array; end: number } {
  const run: number[] = [];
  let end = start;
  for (; end < bytes.length; end += 1) {
    const byte = bytes[end]!;
    if (byte === OPEN || byte === CLOSE) break;
    if (byte === CR || byte === LF) continue;
    if (byte !== BACKSLASH) {
      run.push(byte);
      continue;
    }
    const escaped = bytes[end + 1];
    if (escaped === BACKSLASH || escaped === OPEN || escaped === CLOSE) {
      run.push(escaped);
      end += 1;
    } else if (escaped === APOSTROPHE) {
      const value = hexadecimal(bytes[end + 2]) * 16 + hexadecimal(bytes[end + 3]);
      // Where no two digits follow, readers drop the mark and go on.
      if (!Number.isNaN(value)) run.push(value);
      end += Number.isNaN(value) ? 1 : 3;
    } else {
      break;
    }
  }
  return { bytes: Uint8Array.from(run), end };
}

/** NaN for what is no digit. */
function hexadecimal(byte: number | undefined): number {
  if (byte === undefined) return Number.NaN;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : Number.NaN;
}

/** What follows a backslash that begins no word. A line end behind one is a paragraph's. */
function symbol(bytes: Buffer, position: number): RtfToken {
  const byte = bytes[position];
  if (byte === undefined) throw new ExtractionFailed('corrupt_file', 'The file ends within a control word.');
  return { kind: 'control', word: byte === CR || byte === LF ? 'par' : String.fromCharCode(byte), parameter: null };
}
