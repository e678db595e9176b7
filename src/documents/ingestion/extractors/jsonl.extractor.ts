import type { ExtractedDocument } from '../extracted-document.js';
import { DocumentText } from './document-text.js';
import { writeJson } from './json-text.js';
import { decodeOrRefuse } from './plain-text.extractor.js';

/** One value a line (jsonlines.org, NDJSON). @throws {ExtractionFailed} `type_mismatch`, `corrupt_file` with the line, `archive_limits`, `no_text`. */
export function extract(bytes: Buffer): ExtractedDocument {
  const { text, encoding } = decodeOrRefuse(bytes);
  const document = new DocumentText();
  for (const [index, line] of text.split('\n').entries()) if (/\S/.test(line)) writeJson(document, line, index + 1);
  return document.toDocument(null, { encoding });
}
