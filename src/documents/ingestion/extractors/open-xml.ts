import { posix } from 'node:path';
import { cleanTitle } from '../extracted-document.js';
import { ExtractionFailed } from '../extraction-failed.js';
import { childAt, elementsOf, readXmlTree, textOf } from './xml.js';
import { ZipArchive } from './zip-archive.js';

const CONTENT_TYPES = '[Content_Types].xml';
const CORE_PROPERTIES = 'docProps/core.xml';

/** `main` is what the content type of the part that holds everything together is called, macros apart. */
export interface OpenXmlKind {
  name: string;
  main: RegExp;
}

export interface Relationship {
  /** The last segment of its URI, which the strict and the transitional dialect share. */
  type: string;
  part: string;
}

/**
 * Opens a Word document, a presentation or a workbook (ECMA-376, part 2).
 *
 * @throws {ExtractionFailed} `type_mismatch`, `unsupported_type` (macros), `encrypted_file`, `corrupt_file`, `archive_limits`.
 */
export async function openOpenXml(bytes: Buffer, { name, main }: OpenXmlKind): Promise<ZipArchive> {
  refuseOle(bytes, name);
  const archive = await ZipArchive.open(bytes);
  const types = archive.has(CONTENT_TYPES) ? await archive.readXml(CONTENT_TYPES) : '';
  if (main.test(types)) return archive;
  if (/macroEnabled(?:Template)?\.main\+xml/i.test(types)) throw new ExtractionFailed('unsupported_type', `Office files with macros are not read; save it as a ${name} without them.`);
  throw new ExtractionFailed('type_mismatch', `The archive is not a ${name}.`);
}

/** Office wraps an encrypted package in an OLE container with a stream of this name; any other is an old .doc, .xls or .ppt. */
function refuseOle(bytes: Buffer, name: string): void {
  if (!bytes.subarray(0, 4).equals(Buffer.from([0xd0, 0xcf, 0x11, 0xe0]))) return;
  if (bytes.includes(Buffer.from('EncryptedPackage', 'utf16le'))) throw new ExtractionFailed('encrypted_file', 'The document is protected by a password.');
  throw new ExtractionFailed('type_mismatch', `The content is an old Office format, not a ${name} in Open XML.`);
}

/** By id. What lies outside of the package is left out, so nobody can follow it. */
export async function relationshipsOf(archive: ZipArchive, part: string): Promise<Map<string, Relationship>> {
  const list = posix.join(posix.dirname(part), '_rels', `${posix.basename(part)}.rels`);
  if (!archive.has(list)) return new Map();
  const inside = elementsOf(await readXmlTree(archive, list), 'Relationship').filter(({ attributes }) => attributes['TargetMode'] !== 'External');
  return new Map(
    inside.map(({ attributes }) => {
      const { Id: id = '', Type: type = '', Target: target = '' } = attributes;
      return [id, { type: type.slice(type.lastIndexOf('/') + 1), part: posix.join(target.startsWith('/') ? '/' : `/${posix.dirname(part)}`, target).slice(1) }];
    }),
  );
}

/** The part that everything else hangs on, wherever the producer put it. */
export async function mainPart(archive: ZipArchive): Promise<string> {
  const part = [...(await relationshipsOf(archive, '')).values()].find(({ type }) => type === 'officeDocument')?.part;
  if (part === undefined) throw new ExtractionFailed('corrupt_file', 'The archive does not say which of its parts is the document.');
  return part;
}

export async function coreProperties(archive: ZipArchive): Promise<{ title: string | null; metadata: Record<string, unknown> }> {
  if (!archive.has(CORE_PROPERTIES)) return { title: null, metadata: {} };
  const properties = await readXmlTree(archive, CORE_PROPERTIES);
  const author = cleanTitle(textOf(childAt(properties, 'creator')));
  return { title: cleanTitle(textOf(childAt(properties, 'title'))), metadata: author === null ? {} : { author } };
}
