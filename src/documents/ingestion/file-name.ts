const MAX_BYTES = 255;
/** Control characters, and the invisible ones that turn the reading direction (Unicode's Bidi_Control). */
const INVISIBLE = /[\p{Cc}\p{Bidi_Control}\u{2028}\u{2029}]/gu;

/**
 * A client's file name as it may be shown: NFC, without directories, control or direction characters, at most 255 bytes
 * with the extension kept. It is never used as a path.
 */
export function displayName(name: string | undefined, fallback: string): string {
  const clean = (name ?? '').normalize('NFC').toWellFormed().replace(INVISIBLE, '').replace(/^.*[/\\]/, '').trim();
  if (clean === '') return fallback;
  if (Buffer.byteLength(clean) <= MAX_BYTES) return clean;
  const extension = /\.[^.]{1,16}$/.exec(clean)?.[0] ?? '';
  const room = MAX_BYTES - Buffer.byteLength(extension);
  // As part of a stream, half a character at the end is left out.
  return new TextDecoder().decode(Buffer.from(clean).subarray(0, room), { stream: true }) + extension;
}
