import { ExtractionFailed } from './extraction-failed.js';
import { sniffContent, type ContentFamily } from './content-sniffing.js';

interface DocumentTypeDescription {
  name: string;
  /** The first one names a stored or exported file. */
  extensions: readonly string[];
  /** The first one is the canonical one. */
  mediaTypes: readonly string[];
  /** What the first bytes of such a file may look like. */
  families: readonly ContentFamily[];
}

/** Everything that can be ingested; a new format starts with a line here and an extractor of the same name. */
export const DOCUMENT_TYPES = {
  pdf: { name: 'PDF', extensions: ['pdf'], mediaTypes: ['application/pdf', 'application/x-pdf'], families: ['pdf'] },
  docx: {
    name: 'Word document',
    extensions: ['docx'],
    mediaTypes: ['application/vnd.openxmlformats-officedocument.wordprocessingml.document'],
    // An encrypted Word document is an OLE container; the extractor tells it from an old .doc.
    families: ['docx', 'zip', 'ole'],
  },
  html: {
    name: 'HTML',
    extensions: ['html', 'htm', 'xhtml'],
    mediaTypes: ['text/html', 'application/xhtml+xml'],
    families: ['html', 'markup', 'tagged'],
  },
  md: {
    name: 'Markdown',
    extensions: ['md', 'markdown', 'mdown', 'mkd'],
    mediaTypes: ['text/markdown', 'text/x-markdown'],
    families: ['text', 'tagged', 'markup'],
  },
  txt: { name: 'Plain text', extensions: ['txt', 'text', 'log'], mediaTypes: ['text/plain'], families: ['text', 'tagged', 'markup'] },
} as const satisfies Record<string, DocumentTypeDescription>;

export type DocumentType = keyof typeof DOCUMENT_TYPES;

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

/** Extensions that promise a format of text which cannot be read yet; what it is not called decides nothing. */
const FOREIGN_EXTENSIONS = new Set(['csv', 'tsv', 'json', 'jsonl', 'ndjson', 'xml', 'svg', 'rtf', 'doc', 'xls', 'ppt', 'zip']);

const TYPES = Object.keys(DOCUMENT_TYPES) as DocumentType[];

export function isDocumentType(value: unknown): value is DocumentType {
  return typeof value === 'string' && Object.hasOwn(DOCUMENT_TYPES, value);
}

/**
 * Tells a file's type from its first bytes; the declaration can only narrow it down (Markdown or plain text) or contradict it.
 *
 * @param head the first `SNIFF_BYTES` bytes, or the whole file when it is shorter.
 * @throws {ExtractionFailed} `empty_file`, `type_mismatch`, `unsupported_type`.
 */
export async function detectDocumentType(head: Uint8Array, declaration: Declaration): Promise<DocumentType> {
  if (head.length === 0) throw new ExtractionFailed('empty_file', 'The file is empty.');
  const declared = await readDeclaration(declaration);
  const content = sniffContent(head, head.length >= SNIFF_BYTES);
  const candidates = TYPES.filter((type) => (DOCUMENT_TYPES[type].families as readonly ContentFamily[]).includes(content));
  const contradicted = declared.types.find((type) => !candidates.includes(type));
  if (contradicted !== undefined) {
    throw new ExtractionFailed('type_mismatch', `The content is not ${DOCUMENT_TYPES[contradicted].name}, which its name or media type declares.`);
  }
  if (declared.foreign !== null) throw foreignDeclaration(declared.foreign, candidates);
  const type = declared.types[0] ?? undeclaredType(content);
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

export function typeOfMediaType(mediaType: string | undefined): DocumentType | null {
  const essence = essenceOf(mediaType) ?? '';
  return TYPES.find((type) => (DOCUMENT_TYPES[type].mediaTypes as readonly string[]).includes(essence)) ?? null;
}

function foreignDeclaration(foreign: { label: string; text: boolean }, candidates: DocumentType[]): ExtractionFailed {
  const content = candidates[0];
  // CSV is text and XLSX a zip: unsupported, but no contradiction. A PNG that holds prose, or a PDF called JSON, is one.
  const fits = content === undefined || content === 'docx' || (foreign.text && content !== 'pdf');
  return fits
    ? new ExtractionFailed('unsupported_type', `The type ${foreign.label} is not supported.`)
    : new ExtractionFailed('type_mismatch', `The content is not ${foreign.label}, which its name or media type declares.`);
}

async function readDeclaration({ fileName, mediaType }: Declaration) {
  const extension = /\.([^./\\\s]{1,16})\s*$/.exec(fileName ?? '')?.[1]?.toLowerCase();
  const essence = essenceOf(mediaType) ?? '';
  const byExtension = TYPES.find((type) => (DOCUMENT_TYPES[type].extensions as readonly string[]).includes(extension ?? ''));
  const byMediaType = typeOfMediaType(mediaType) ?? undefined;
  const generic = isGenericMediaType(mediaType);
  let foreign: { label: string; text: boolean } | null = null;
  if (extension !== undefined && byExtension === undefined && (await isForeignExtension(extension))) {
    foreign = { label: `.${extension}`, text: FOREIGN_EXTENSIONS.has(extension) };
  } else if (!generic && byMediaType === undefined && !(byExtension !== undefined && essence.startsWith('text/'))) {
    foreign = { label: essence, text: essence.startsWith('text/') || /[/+](json|xml)$/.test(essence) };
  }
  const types = [byExtension, generic && byExtension !== undefined ? undefined : byMediaType].filter((type) => type !== undefined);
  return { types, foreign };
}

/** An extension nobody knows (`.backup`, `.v2`) declares nothing; a known one that is not ours does. */
async function isForeignExtension(extension: string): Promise<boolean> {
  if (FOREIGN_EXTENSIONS.has(extension)) return true;
  const { supportedExtensions } = await import('file-type');
  return supportedExtensions.has(extension);
}

function undeclaredType(content: ContentFamily): DocumentType | null {
  if (content === 'zip' || content === 'ole' || content === 'binary' || content === 'foreign') return null;
  if (content === 'markup') return 'html';
  return content === 'text' || content === 'tagged' ? 'txt' : content;
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
