import { decodeText, labelledCharset } from './text-decoding.js';

/**
 * What first bytes can show: `zip` is an archive whose kind the prefix does not tell, `ole` an old Office or an encrypted
 * one, `html` a page for sure, `markup` text that starts with a tag (a page, or Markdown that does so), `tagged` text with a
 * tag somewhere, `json` text that starts as JSON does (which a list of links does, too), `foreign` a known format of text or
 * archive that is none of ours, `binary` anything else.
 */
export type ContentFamily =
  | ('pdf' | 'docx' | 'pptx' | 'xlsx' | 'epub' | 'odt' | 'zip' | 'ole' | 'rtf')
  | ('html' | 'markup' | 'tagged' | 'tagged-json' | 'json' | 'text' | 'foreign' | 'binary');

/** The tags of the WHATWG MIME sniffing standard, §7.1, without the three that make a page a page. */
const STARTS_WITH_TAG = /^<(?:script|iframe|h[1-6]|div|font|table|a|style|title|b|br|p|meta|link|main|article|section|ul|ol|img)[\s/>]/i;
const IS_PAGE = /^<(?:!doctype\s+html|html|head|body)[\s/>]/i;
/** Any JSON value: objects and arrays, and the scalars that RFC 8259 allows as well. */
const STARTS_AS_JSON = /^\s*(?:[[{"]|-?\d|(?:true|false|null)\b)/;
const HAS_TAG = /<\/?[a-z][a-z0-9]*[\s/>]/i;

/** Reads only `head`, never inflates, and knows nothing of what was declared. */
export function sniffContent(head: Uint8Array, truncated: boolean): ContentFamily {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  const start = bytes.toString('latin1', 0, 1024);
  if (/^(?:\u00ef\u00bb\u00bf)?\s*%PDF-/.test(start)) return 'pdf';
  if (start.startsWith('PK\x03\x04') || start.startsWith('PK\x05\x06')) return sniffZip(bytes);
  if (start.startsWith('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1')) return 'ole';
  if (/^\s*\{\\rtf/.test(start)) return 'rtf';
  if (start.startsWith('%!PS')) return 'foreign';
  const decoded = decodeText(bytes, { truncated, labelled: labelledCharset(bytes) });
  if (decoded !== null) return sniffText(decoded.text);
  // Readers accept junk before the header (mail gateways put it there), yet only where it cannot be someone's prose.
  return start.includes('%PDF-') ? 'pdf' : 'binary';
}

function sniffText(text: string): ContentFamily {
  const beginning = text.slice(0, 8192).replace(/^(?:\s+|<\?xml[^>]*\?>|<!--[^]*?-->)+/, '');
  if (IS_PAGE.test(beginning)) return 'html';
  if (STARTS_WITH_TAG.test(beginning)) return 'markup';
  if (/^\s*<\?xml|^\s*<svg[\s>]|^\s*<!doctype\s/i.test(text.slice(0, 1024))) return 'foreign';
  const tagged = HAS_TAG.test(text);
  if (STARTS_AS_JSON.test(text)) return tagged ? 'tagged-json' : 'json';
  return tagged ? 'tagged' : 'text';
}

const PACKAGE_FOLDERS: readonly [RegExp, ContentFamily][] = [
  [/^word\//i, 'docx'],
  [/^ppt\//i, 'pptx'],
  [/^xl\//i, 'xlsx'],
  [/^META-INF\/container\.xml$/, 'epub'],
  [/^META-INF\/MANIFEST\.MF$/, 'foreign'],
];

/** The names in local file headers betray the kind of package, if they lie within the prefix. */
function sniffZip(bytes: Buffer): ContentFamily {
  let offset = 0;
  while ((offset = bytes.indexOf('PK\x03\x04', offset, 'latin1')) !== -1 && offset + 30 <= bytes.length) {
    const nameEnd = offset + 30 + bytes.readUInt16LE(offset + 26);
    const name = bytes.toString('latin1', offset + 30, nameEnd);
    if (name === 'mimetype') return statedPackage(bytes.subarray(nameEnd + bytes.readUInt16LE(offset + 28), nameEnd + 200));
    const family = PACKAGE_FOLDERS.find(([folder]) => folder.test(name))?.[1];
    if (family !== undefined) return family;
    // Over the entry's bytes where the header says how many: a workbook within a presentation has headers of its own.
    const streamed = (bytes.readUInt16LE(offset + 6) & 8) !== 0;
    offset = streamed ? nameEnd : nameEnd + bytes.readUInt16LE(offset + 28) + bytes.readUInt32LE(offset + 18);
  }
  return 'zip';
}

/** OpenDocument and EPUB say what they are in their first entry, which is stored as it is for this purpose. */
function statedPackage(content: Buffer): ContentFamily {
  const mediaType = /^[a-z]+\/[\w.+-]+?(?=\s*(?:PK|$))/.exec(content.toString('latin1'))?.[0];
  if (mediaType === undefined) return 'zip';
  if (mediaType === 'application/epub+zip') return 'epub';
  return /^application\/vnd\.oasis\.opendocument\.text(?:-template|-master)?$/.test(mediaType) ? 'odt' : 'foreign';
}
