import { cleanText, requireText, type ExtractedDocument } from '../extracted-document.js';
import { ExtractionFailed } from '../extraction-failed.js';
import { decodeText } from '../text-decoding.js';

/** @throws {ExtractionFailed} `type_mismatch`, `no_text`. */
export function extract(bytes: Buffer): ExtractedDocument {
  const { text, encoding } = decodeOrRefuse(bytes);
  return requireText({ text, title: null, pages: [], headings: [], metadata: { encoding } });
}

/** The whole file is looked at here; a sniffed prefix may have hidden that the rest is binary. */
export function decodeOrRefuse(bytes: Buffer, labelled?: string): { text: string; encoding: string } {
  const decoded = decodeText(bytes, labelled === undefined ? {} : { labelled });
  if (decoded === null) throw new ExtractionFailed('type_mismatch', 'The content is not text.');
  return { text: cleanText(decoded.text), encoding: decoded.encoding };
}
