const UTF8_BOM = [0xef, 0xbb, 0xbf];

/** White space and the escape of terminal logs; every other C0 control says that the bytes are no text. */
// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0007\u000e-\u001a\u001c-\u001f]/;

/** Bytes that windows-1252 leaves undefined: common in other code pages and in binaries, absent from its texts. */
const UNDEFINED_IN_1252 = /[\u0081\u008d\u008f\u0090\u009d]/;

export interface DecodedText {
  text: string;
  /** A WHATWG encoding name. */
  encoding: string;
}

/**
 * Decodes text as the web does when nobody names the encoding: byte order mark, else UTF-8 if every byte fits, else
 * windows-1252.
 *
 * @param labelled an encoding the file itself names (HTML `<meta charset>`); weaker than a byte order mark.
 * @returns null when the bytes are not text.
 */
export function decodeText(bytes: Uint8Array, options: { labelled?: string; truncated?: boolean } = {}): DecodedText | null {
  const marked = byteOrderMark(bytes);
  if (marked !== null) return decode(bytes, marked, options.truncated);
  // A label is believed only for what decodes: many pages name an encoding they are not in.
  const labelled = options.labelled === undefined ? null : decode(bytes, options.labelled, options.truncated);
  return labelled ?? decode(bytes, 'utf-8', options.truncated) ?? damagedUtf8(bytes) ?? windows1252(bytes);
}

/** The encoding an HTML page names in its first kilobyte (WHATWG HTML, prescan). */
export function labelledCharset(bytes: Uint8Array): string | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 1024)).toString('latin1');
  const label = /<meta\s[^>]*charset\s*=\s*["']?\s*([\w:-]+)/i.exec(start)?.[1]?.toLowerCase();
  // Readable as ASCII up to here, so it cannot be UTF-16, whatever it says.
  return label?.startsWith('utf-16') === true ? 'utf-8' : label;
}

/** One bad byte must not turn a whole UTF-8 text into mojibake; the text of a code page almost never forms UTF-8 sequences. */
function damagedUtf8(bytes: Uint8Array): DecodedText | null {
  const text = new TextDecoder('utf-8').decode(bytes);
  if (CONTROLS.test(text)) return null;
  let damaged = 0;
  let sound = 0;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit === 0xfffd) damaged += 1;
    else if (unit > 0x7f) sound += 1;
  }
  return damaged * 10 <= sound ? { text, encoding: 'utf-8' } : null;
}

function windows1252(bytes: Uint8Array): DecodedText | null {
  const decoded = decode(bytes, 'windows-1252');
  return decoded === null || UNDEFINED_IN_1252.test(decoded.text) ? null : decoded;
}

function byteOrderMark(bytes: Uint8Array): string | null {
  if (UTF8_BOM.every((byte, index) => bytes[index] === byte)) return 'utf-8';
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return null;
}

function decode(bytes: Uint8Array, encoding: string, truncated = false): DecodedText | null {
  try {
    const decoder = new TextDecoder(encoding, { fatal: true });
    // Streaming forgives a character that the end of a sniffed prefix cuts in two.
    const text = decoder.decode(bytes, { stream: truncated });
    return CONTROLS.test(text) ? null : { text, encoding: decoder.encoding };
  } catch (error) {
    // Bytes that do not fit, or an encoding nobody knows; by code, since jest's realm has other TypeErrors.
    if (['ERR_ENCODING_INVALID_ENCODED_DATA', 'ERR_ENCODING_NOT_SUPPORTED'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}
