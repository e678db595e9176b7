import { posix } from 'node:path';
import { cleanTitle, type ExtractedDocument } from '../extracted-document.js';
import { ExtractionFailed } from '../extraction-failed.js';
import { DocumentText } from './document-text.js';
import { readPage } from './html.extractor.js';
import { childAt, descendants, elementsOf, readXmlTree, textOf, type XmlElement } from './xml.js';
import { ZipArchive } from './zip-archive.js';

const CONTAINER = 'META-INF/container.xml';
const ENCRYPTION = 'META-INF/encryption.xml';
/** Fonts are garbled against copying; the text beside them is open. */
const FONT_OBFUSCATION = /^http:\/\/(?:www\.idpf\.org\/2008\/embedding|ns\.adobe\.com\/pdf\/enc#RC)$/;

/**
 * Reads a book (EPUB 3.3, and 2 as far as it is the same) chapter by chapter in the order of its spine.
 *
 * @throws {ExtractionFailed} `type_mismatch`, `corrupt_file`, `encrypted_file`, `archive_limits`, `no_text`.
 */
export async function extract(bytes: Buffer): Promise<ExtractedDocument> {
  const archive = await ZipArchive.open(bytes);
  if (!archive.has(CONTAINER)) throw new ExtractionFailed('type_mismatch', 'The archive is not an EPUB.');
  const rootFile = descendants(await readXmlTree(archive, CONTAINER), 'rootfile')[0]?.attributes['full-path'];
  if (rootFile === undefined) throw new ExtractionFailed('corrupt_file', 'The EPUB does not say where its contents are listed.');
  const contents = await readXmlTree(archive, rootFile);
  const chapters = spine(contents, rootFile);
  const encrypted = await encryptedParts(archive);
  if (chapters.some((part) => encrypted.has(part))) throw new ExtractionFailed('encrypted_file', 'The book is protected by digital rights management.');
  const document = new DocumentText();
  for (const part of chapters) {
    const { text, headings } = readPage(await archive.read(part));
    document.section(text, headings);
  }
  const { title, ...metadata } = describe(contents);
  return document.toDocument(title ?? document.firstHeading(), metadata);
}

/** The pages of text in reading order, without the table of contents: it repeats the headings. */
function spine(contents: XmlElement, rootFile: string): string[] {
  const [manifest, order] = [childAt(contents, 'manifest'), childAt(contents, 'spine')];
  if (manifest === undefined || order === undefined) throw new ExtractionFailed('corrupt_file', 'The EPUB does not list its contents.');
  const items = new Map(elementsOf(manifest, 'item').map(({ attributes }) => [attributes['id'], attributes]));
  return elementsOf(order, 'itemref').flatMap(({ attributes: { idref } }) => {
    const { href, 'media-type': mediaType = '', properties = '' } = items.get(idref) ?? {};
    if (href === undefined || !/^(?:application\/xhtml\+xml|text\/html|text\/x-oeb1-document)$/.test(mediaType)) return [];
    return properties.split(/\s+/).includes('nav') ? [] : [posix.join(posix.dirname(rootFile), decoded(href))];
  });
}

async function encryptedParts(archive: ZipArchive): Promise<Set<string>> {
  if (!archive.has(ENCRYPTION)) return new Set();
  const entries = descendants(await readXmlTree(archive, ENCRYPTION), 'EncryptedData');
  const locked = entries.filter((entry) => !FONT_OBFUSCATION.test(childAt(entry, 'EncryptionMethod')?.attributes['Algorithm'] ?? ''));
  return new Set(locked.flatMap((entry) => descendants(entry, 'CipherReference').map(({ attributes }) => posix.normalize(decoded(attributes['URI'] ?? '')))));
}

function describe(contents: XmlElement) {
  const metadata = childAt(contents, 'metadata');
  const property = (name: string) => cleanTitle(textOf(metadata && descendants(metadata, name)[0]));
  const [author, language] = [property('creator'), property('language')];
  return { title: property('title'), ...(author === null ? {} : { author }), ...(language === null ? {} : { language: language.slice(0, 35) }) };
}

/** A URL within the package; a malformed one is looked for as it stands. */
function decoded(href: string): string {
  const path = href.split('#', 1)[0]!;
  try {
    return decodeURIComponent(path);
  } catch (error) {
    // By name, since jest's realm has other URIErrors.
    if ((error as Error).name === 'URIError') return path;
    throw error;
  }
}
