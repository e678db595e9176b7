import { cleanTitle, requireText, type ExtractedDocument } from '../extracted-document.js';
import { frontMatterTitle, markdownHeadings } from './markdown-headings.js';
import { decodeOrRefuse } from './plain-text.extractor.js';

/** @throws {ExtractionFailed} `type_mismatch`, `no_text`. */
export function extract(bytes: Buffer): ExtractedDocument {
  const { text, encoding } = decodeOrRefuse(bytes);
  const headings = markdownHeadings(text);
  const title = cleanTitle(frontMatterTitle(text) ?? headings.find(({ level }) => level === 1)?.text);
  return requireText({ text, title, pages: [], headings, metadata: { encoding } });
}
