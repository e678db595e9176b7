import mammoth from 'mammoth';
import { cleanText, cleanTitle, requireText, type ExtractedDocument } from '../extracted-document.js';
import { ExtractionFailed } from '../extraction-failed.js';
import { htmlToMarkdown } from './html-to-markdown.js';
import { markdownHeadings } from './markdown-headings.js';
import { ZipArchive } from './zip-archive.js';

const CONTENT_TYPES = '[Content_Types].xml';
const CORE_PROPERTIES = 'docProps/core.xml';
const WORD_MAIN_PART = /application\/vnd\.(?:openxmlformats-officedocument\.wordprocessingml\.(?:document|template)|ms-word\.(?:document|template)\.macroEnabled(?:Template)?)\.main\+xml/;

/** @throws {ExtractionFailed} `type_mismatch`, `corrupt_file`, `encrypted_file`, `archive_limits`, `no_text`. */
export async function extract(bytes: Buffer): Promise<ExtractedDocument> {
  refuseOle(bytes);
  const archive = await ZipArchive.open(bytes);
  await requireWordDocument(archive);
  const html = await toHtml(archive);
  const text = cleanText(htmlToMarkdown(html)).trim();
  const headings = markdownHeadings(text);
  const properties = archive.has(CORE_PROPERTIES) ? await archive.readXml(CORE_PROPERTIES) : '';
  const title = property(properties, 'dc:title') ?? headings.find(({ level }) => level === 1)?.text ?? null;
  const author = property(properties, 'dc:creator');
  return requireText({ text, title, pages: [], headings, metadata: author === null ? {} : { author } });
}

/** Word wraps an encrypted document in an OLE container with a stream of this name; any other is an old .doc or .xls. */
function refuseOle(bytes: Buffer): void {
  if (!bytes.subarray(0, 4).equals(Buffer.from([0xd0, 0xcf, 0x11, 0xe0]))) return;
  if (bytes.includes(Buffer.from('EncryptedPackage', 'utf16le'))) throw new ExtractionFailed('encrypted_file', 'The document is protected by a password.');
  throw new ExtractionFailed('type_mismatch', 'The content is an old Office format, not a Word document in Open XML.');
}

async function requireWordDocument(archive: ZipArchive): Promise<void> {
  if (archive.has(CONTENT_TYPES) && WORD_MAIN_PART.test(await archive.readXml(CONTENT_TYPES))) return;
  throw new ExtractionFailed('type_mismatch', 'The archive is not a Word document.');
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

function property(xml: string, name: string): string | null {
  const value = new RegExp(`<${name}(?:\\s[^>]*)?>([^<]*)</${name}>`).exec(xml)?.[1];
  return cleanTitle(value?.replace(/&(?:lt|gt|quot|apos|amp|#\d{1,7}|#x[\da-fA-F]{1,6});/g, decodeEntity));
}

const ENTITIES: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&apos;': "'", '&amp;': '&' };

function decodeEntity(entity: string): string {
  const known = ENTITIES[entity];
  if (known !== undefined) return known;
  const code = entity.startsWith('&#x') ? Number.parseInt(entity.slice(3, -1), 16) : Number.parseInt(entity.slice(2, -1), 10);
  return code > 0x10ffff ? '' : String.fromCodePoint(code);
}
