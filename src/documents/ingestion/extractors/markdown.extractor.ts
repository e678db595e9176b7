import { cleanTitle, requireText, type ExtractedDocument } from '../extracted-document.js';
import { frontMatterTitle, markdownHeadings } from './markdown-headings.js';
import { decodeOrRefuse } from './plain-text.extractor.js';

/** Pictures written into the text: dozens of chunks of base64 that no question matches. */
const EMBEDDED_DATA = /data:[\w.+-]+\/[\w.+-]+;base64,[A-Za-z0-9+/=]{64,}/g;

/** @throws {ExtractionFailed} `type_mismatch`, `no_text`. */
export function extract(bytes: Buffer): ExtractedDocument {
  const { text: source, encoding } = decodeOrRefuse(bytes);
  const text = source.replace(EMBEDDED_DATA, 'data:');
  const headings = markdownHeadings(text);
  const title = cleanTitle(frontMatterTitle(text) ?? headings.find(({ level }) => level === 1)?.text);
  return requireText({ text, title, pages: [], headings, metadata: { encoding } });
}
