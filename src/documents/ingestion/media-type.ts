import type { RemoteType } from '../../jobs/remote-types.js';
import { ExtractionFailed } from './extraction-failed.js';
import { sniffContent, type ContentFamily } from './content-sniffing.js';

const ANY_TEXT = ['text', 'tagged', 'markup', 'json', 'tagged-json'] as const satisfies ContentFamily[];

interface TypeDescription {
  name: string;
  /** The first one names a stored or exported file. */
  extensions: readonly string[];
  /** The first one is the canonical one. */
  mediaTypes: readonly string[];
  /** What browsers call such a file on machines that open it with another program; believed only beside the extension. */
  misnomers?: readonly string[];
  /** What the first bytes of such a file may look like. */
  families: readonly ContentFamily[];
}

// An encrypted Office file is an OLE container; the extractor tells it from an old .doc, .xls or .ppt.
const OPEN_XML = 'application/vnd.openxmlformats-officedocument';

/** Everything that can be read here; a new format starts with a line here and an extractor of the same name. */
export const DOCUMENT_TYPES = {
  pdf: { name: 'PDF', extensions: ['pdf'], mediaTypes: ['application/pdf', 'application/x-pdf'], families: ['pdf'] },
  docx: { name: 'Word document', extensions: ['docx'], mediaTypes: [`${OPEN_XML}.wordprocessingml.document`], misnomers: ['application/msword'], families: ['docx', 'zip', 'ole'] },
  pptx: {
    name: 'PowerPoint presentation',
    extensions: ['pptx', 'ppsx'],
    mediaTypes: [`${OPEN_XML}.presentationml.presentation`, `${OPEN_XML}.presentationml.slideshow`],
    misnomers: ['application/vnd.ms-powerpoint'],
    families: ['pptx', 'zip', 'ole'],
  },
  xlsx: { name: 'Excel workbook', extensions: ['xlsx'], mediaTypes: [`${OPEN_XML}.spreadsheetml.sheet`], misnomers: ['application/vnd.ms-excel'], families: ['xlsx', 'zip', 'ole'] },
  html: {
    name: 'HTML',
    extensions: ['html', 'htm', 'xhtml'],
    mediaTypes: ['text/html', 'application/xhtml+xml'],
    families: ['html', 'markup', 'tagged', 'tagged-json'],
  },
  md: { name: 'Markdown', extensions: ['md', 'markdown', 'mdown', 'mkd'], mediaTypes: ['text/markdown', 'text/x-markdown'], families: ANY_TEXT },
  txt: { name: 'Plain text', extensions: ['txt', 'text', 'log'], mediaTypes: ['text/plain'], families: ANY_TEXT },
  csv: {
    name: 'CSV',
    extensions: ['csv'],
    mediaTypes: ['text/csv', 'application/csv', 'text/x-csv', 'text/comma-separated-values'],
    misnomers: ['application/vnd.ms-excel'],
    families: ANY_TEXT,
  },
  tsv: { name: 'TSV', extensions: ['tsv', 'tab'], mediaTypes: ['text/tab-separated-values', 'text/tsv'], misnomers: ['application/vnd.ms-excel'], families: ANY_TEXT },
  json: { name: 'JSON', extensions: ['json', 'geojson', 'jsonld'], mediaTypes: ['application/json', 'text/json', 'application/geo+json', 'application/ld+json'], families: ['json', 'tagged-json'] },
  jsonl: {
    name: 'JSON Lines',
    extensions: ['jsonl', 'ndjson'],
    mediaTypes: ['application/jsonl', 'application/x-ndjson', 'application/x-jsonlines', 'application/ndjson', 'application/jsonlines'],
    misnomers: ['application/json'],
    families: ['json', 'tagged-json'],
  },
  epub: { name: 'EPUB', extensions: ['epub'], mediaTypes: ['application/epub+zip'], families: ['epub', 'zip'] },
  odt: {
    name: 'OpenDocument text',
    extensions: ['odt', 'ott'],
    mediaTypes: ['application/vnd.oasis.opendocument.text', 'application/vnd.oasis.opendocument.text-template'],
    families: ['odt', 'zip'],
  },
  rtf: { name: 'RTF', extensions: ['rtf'], mediaTypes: ['application/rtf', 'text/rtf', 'application/x-rtf', 'text/richtext'], misnomers: ['application/msword'], families: ['rtf'] },
} as const satisfies Record<string, TypeDescription>;

export type ReadableType = keyof typeof DOCUMENT_TYPES;
export type DocumentType = ReadableType | RemoteType;

export interface Declaration {
  /** As the client named it; only its extension is read. */
  fileName?: string | undefined;
  /** `Content-Type`, parameters allowed. */
  mediaType?: string | undefined;
}

/** How many of a file's first bytes `detectDocumentType` wants to see. */
export const SNIFF_BYTES = 65_536;

/** Said by clients that do not know better. `text/plain` is sent for every kind of text, `application/zip` for every package. */
const GENERIC_MEDIA_TYPES = new Set([
  'application/octet-stream',
  'binary/octet-stream',
  'application/x-download',
  'application/force-download',
  'application/zip',
  'application/x-zip-compressed',
  'multipart/form-data',
  '*/*',
  'text/plain',
]);

/** Extensions that promise a format which cannot be read; what it is not called decides nothing. */
const FOREIGN_TEXTS = new Set(['xml', 'svg']);
/** Those that `file-type` does not list. */
const FOREIGN_FILES = new Set(['doc', 'xls', 'xlsb', 'ppt']);

const PACKAGES: readonly ContentFamily[] = ['docx', 'pptx', 'xlsx', 'epub', 'odt', 'zip', 'ole'];

const TYPES = Object.keys(DOCUMENT_TYPES) as ReadableType[];

export function isReadableType(value: unknown): value is ReadableType {
  return typeof value === 'string' && Object.hasOwn(DOCUMENT_TYPES, value);
}

/**
 * Tells a file's type from its first bytes; the declaration can only narrow it down (Markdown or plain text) or contradict it.
 *
 * @param head the first `SNIFF_BYTES` bytes, or the whole file when it is shorter.
 * @throws {ExtractionFailed} `empty_file`, `type_mismatch`, `unsupported_type`.
 */
export async function detectDocumentType(head: Uint8Array, declaration: Declaration): Promise<ReadableType> {
  if (head.length === 0) throw new ExtractionFailed('empty_file', 'The file is empty.');
  const declared = await readDeclaration(declaration);
  const content = sniffContent(head, head.length >= SNIFF_BYTES);
  const contradicted = declared.types.find((type) => !isCandidate(type, content));
  if (contradicted !== undefined) {
    throw new ExtractionFailed('type_mismatch', `The content is not ${DOCUMENT_TYPES[contradicted].name}, which its name or media type declares.`);
  }
  if (declared.foreign !== null) throw foreignDeclaration(declared.foreign, content);
  const type = declared.types[0] ?? undeclaredType(content, head);
  if (type === null) throw new ExtractionFailed('unsupported_type', `The content is ${await nameOf(head)}, which is not supported.`);
  return type;
}

/** What a declaration alone can refuse, before the content is there. @throws {ExtractionFailed} `unsupported_type`. */
export async function refuseForeignDeclaration(declaration: Declaration): Promise<void> {
  const { foreign } = await readDeclaration(declaration);
  if (foreign !== null) throw new ExtractionFailed('unsupported_type', `The type ${foreign.label} is not supported.`);
}

function essenceOf(mediaType: string | undefined): string | undefined {
  return mediaType?.split(';', 1)[0]?.trim().toLowerCase();
}

/** Whether it says nothing of the type, or is said of too many. */
export function isGenericMediaType(mediaType: string | undefined): boolean {
  const essence = essenceOf(mediaType);
  return essence === undefined || essence === '' || GENERIC_MEDIA_TYPES.has(essence);
}

export function typeOfMediaType(mediaType: string | undefined): ReadableType | null {
  const essence = essenceOf(mediaType) ?? '';
  return TYPES.find((type) => (DOCUMENT_TYPES[type].mediaTypes as readonly string[]).includes(essence)) ?? null;
}

function isCandidate(type: ReadableType, content: ContentFamily): boolean {
  return (DOCUMENT_TYPES[type].families as readonly ContentFamily[]).includes(content);
}

function foreignDeclaration(foreign: { label: string; text: boolean }, content: ContentFamily): ExtractionFailed {
  // XML is text and an ODS a zip: unsupported, but no contradiction. A PNG that holds prose, or a PDF called XML, is one.
  const fits = PACKAGES.includes(content) || !TYPES.some((type) => isCandidate(type, content)) || (foreign.text && (content === 'html' || isCandidate('txt', content)));
  return fits
    ? new ExtractionFailed('unsupported_type', `The type ${foreign.label} is not supported.`)
    : new ExtractionFailed('type_mismatch', `The content is not ${foreign.label}, which its name or media type declares.`);
}

async function readDeclaration({ fileName, mediaType }: Declaration) {
  const extension = /\.([^./\\\s]{1,16})\s*$/.exec(fileName ?? '')?.[1]?.toLowerCase();
  const essence = essenceOf(mediaType) ?? '';
  const byExtension = TYPES.find((type) => (DOCUMENT_TYPES[type].extensions as readonly string[]).includes(extension ?? ''));
  const byMediaType = typeOfMediaType(mediaType) ?? undefined;
  const generic = isGenericMediaType(mediaType) || isMisnomer(essence, byExtension);
  let foreign: { label: string; text: boolean } | null = null;
  if (extension !== undefined && byExtension === undefined && (await isForeignExtension(extension))) {
    foreign = { label: `.${extension}`, text: FOREIGN_TEXTS.has(extension) };
  } else if (!generic && byMediaType === undefined && !(byExtension !== undefined && essence.startsWith('text/'))) {
    foreign = { label: essence, text: essence.startsWith('text/') || /[/+](json|xml)$/.test(essence) };
  }
  const types = [byExtension, generic && byExtension !== undefined ? undefined : byMediaType].filter((type) => type !== undefined);
  return { types, foreign };
}

/** An extension nobody knows (`.backup`, `.v2`) declares nothing; a known one that is not ours does. */
async function isForeignExtension(extension: string): Promise<boolean> {
  if (FOREIGN_TEXTS.has(extension) || FOREIGN_FILES.has(extension)) return true;
  const { supportedExtensions } = await import('file-type');
  return supportedExtensions.has(extension);
}

function isMisnomer(mediaType: string, type: ReadableType | undefined): boolean {
  return type !== undefined && 'misnomers' in DOCUMENT_TYPES[type] && (DOCUMENT_TYPES[type].misnomers as readonly string[]).includes(mediaType);
}

/** Tables of text are never guessed: commas stand in prose, too. */
function undeclaredType(content: ContentFamily, head: Uint8Array): ReadableType | null {
  if (content === 'zip' || content === 'ole' || content === 'binary' || content === 'foreign') return null;
  if (content === 'markup') return 'html';
  if (content === 'json' || content === 'tagged-json') return isWholeJson(head) ? 'json' : 'txt';
  return content === 'text' || content === 'tagged' ? 'txt' : content;
}

/** Of a file that nobody called JSON only a valid one is read as such, and a long one as the text that it is as well. */
function isWholeJson(head: Uint8Array): boolean {
  try {
    return head.length < SNIFF_BYTES && typeof JSON.parse(new TextDecoder().decode(head)) === 'object';
  } catch (error) {
    if ((error as Error).name === 'SyntaxError') return false;
    throw error;
  }
}

async function nameOf(head: Uint8Array): Promise<string> {
  const { fileTypeFromBuffer } = await import('file-type');
  try {
    return (await fileTypeFromBuffer(head))?.mime ?? 'of an unknown type';
  } catch (error) {
    // Only the message depends on it, and a prefix may be too short for the library's parser.
    if (error instanceof Error) return 'of an unknown type';
    throw error;
  }
}
