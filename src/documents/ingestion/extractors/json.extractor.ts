import type { ExtractedDocument } from '../extracted-document.js';
import { DocumentText } from './document-text.js';
import { writeJson } from './json-text.js';
import { decodeOrRefuse } from './plain-text.extractor.js';

/** @throws {ExtractionFailed} `type_mismatch`, `corrupt_file` with the line, `archive_limits`, `no_text`. */
export function extract(bytes: Buffer): ExtractedDocument {
  const { text, encoding } = decodeOrRefuse(bytes);
  const document = new DocumentText();
  if (/\S/.test(text)) writeJson(document, text);
  return document.toDocument(null, { encoding });
}
