import { ExtractionFailed } from '../extraction-failed.js';

export type RtfToken =
  | { kind: 'open' }
  | { kind: 'close' }
  /** A control word, or a control symbol (`*`, `~`), with its number if it has one. */
  | { kind: 'control'; word: string; parameter: number | null }
  /** A character of the text as bytes of the code page in force. */
  | { kind: 'bytes'; bytes: Uint8Array };

const [BACKSLASH, OPEN, CLOSE, CR, LF] = [0x5c, 0x7b, 0x7d, 0x0d, 0x0a];
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
    } else if (byte === CR || byte === LF) {
      position += 1;
    } else if (byte !== BACKSLASH) {
      const end = endOfText(bytes, position);
      yield { kind: 'bytes', bytes: bytes.subarray(position, end) };
      position = end;
    } else {
      const match = CONTROL.exec(bytes.toString('latin1', position + 1, position + 1 + CONTROL_LENGTH));
      if (match === null) {
        const [token, length] = symbol(bytes, position + 1);
        position += 1 + length;
        yield token;
        continue;
      }
      const [whole, word = '', digits] = match;
      const parameter = digits === undefined ? null : Number(digits);
      position += 1 + whole.length;
      if (word === 'bin') position += Math.max(0, parameter ?? 0);
      else yield { kind: 'control', word, parameter };
    }
  }
}

function endOfText(bytes: Buffer, start: number): number {
  let end = start;
  for (; end < bytes.length; end += 1) {
    const byte = bytes[end];
    if (byte === BACKSLASH || byte === OPEN || byte === CLOSE || byte === CR || byte === LF) break;
  }
  return end;
}

/** What follows a backslash that begins no word, and how many bytes it takes. */
function symbol(bytes: Buffer, position: number): [RtfToken, number] {
  const character = bytes.toString('latin1', position, position + 1);
  if (character === '') throw new ExtractionFailed('corrupt_file', 'The file ends within a control word.');
  if (character === '\\' || character === '{' || character === '}') return [{ kind: 'bytes', bytes: bytes.subarray(position, position + 1) }, 1];
  if (character === '\n' || character === '\r') return [{ kind: 'control', word: 'par', parameter: null }, 1];
  if (character !== "'") return [{ kind: 'control', word: character, parameter: null }, 1];
  const digits = bytes.toString('latin1', position + 1, position + 3);
  // Not two hexadecimal digits: readers drop the mark and go on.
  if (!/^[\da-f]{2}$/i.test(digits)) return [{ kind: 'bytes', bytes: new Uint8Array() }, 1];
  return [{ kind: 'bytes', bytes: Uint8Array.of(Number.parseInt(digits, 16)) }, 3];
}
