import mammoth from 'mammoth';
import { cleanText, requireText, type ExtractedDocument } from '../extracted-document.js';
import { htmlToMarkdown } from './html-to-markdown.js';
import { markdownHeadings } from './markdown-headings.js';
import { coreProperties, openOpenXml } from './open-xml.js';
import type { ZipArchive } from './zip-archive.js';

const WORD = { name: 'Word document', main: /application\/vnd\.openxmlformats-officedocument\.wordprocessingml\.(?:document|template)\.main\+xml/ };

/** @throws {ExtractionFailed} `type_mismatch`, `unsupported_type`, `corrupt_file`, `encrypted_file`, `archive_limits`, `no_text`. */
export async function extract(bytes: Buffer): Promise<ExtractedDocument> {
  const archive = await openOpenXml(bytes, WORD);
  const text = cleanText(htmlToMarkdown(await toHtml(archive))).trim();
  const headings = markdownHeadings(text);
  const { title, metadata } = await coreProperties(archive);
  return requireText({ text, title: title ?? headings.find(({ level }) => level === 1)?.text ?? null, pages: [], headings, metadata });
}

async function toHtml(archive: ZipArchive): Promise<string> {
  // Mammoth reads the package through this instead of its own unzipper, so that every byte it inflates is counted.
  const file = {
    exists: (name: string) => archive.has(name),
    read: (name: string) => archive.readXml(name),
  };
  const { value } = await mammoth.convertToHtml({ file } as unknown as Parameters<typeof mammoth.convertToHtml>[0], {
    externalFileAccess: false,
    // A style map inside the document would let its author decide what is text.
    includeEmbeddedStyleMap: false,
    convertImage: mammoth.images.imgElement(() => Promise.resolve({ src: '' })),
  });
  return value;
}
