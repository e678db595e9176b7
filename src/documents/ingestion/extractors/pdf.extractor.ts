import { getDocumentProxy } from 'unpdf';
import { codePointLength } from '../code-points.js';
import { cleanText, cleanTitle, requireText, type ExtractedDocument, type ExtractedPage } from '../extracted-document.js';
import { ExtractionFailed } from '../extraction-failed.js';

type Pdf = Awaited<ReturnType<typeof getDocumentProxy>>;
type Page = Awaited<ReturnType<Pdf['getPage']>>;

const PAGE_SEPARATOR = '\n\n';
/** A step down the page of more than this many line heights starts a paragraph. */
const PARAGRAPH_GAP = 1.7;

/** @throws {ExtractionFailed} `corrupt_file`, `encrypted_file`, `no_text`. */
export async function extract(bytes: Buffer): Promise<ExtractedDocument> {
  const pdf = await open(bytes);
  const pages: ExtractedPage[] = [];
  const texts: string[] = [];
  const unreadable: number[] = [];
  let charStart = 0;
  // One page after the other, each dropped before the next: a thousand pages need the memory of one.
  for (let number = 1; number <= pdf.numPages; number += 1) {
    const text = await readPage(pdf, number);
    if (text === null) unreadable.push(number);
    const charEnd = charStart + codePointLength(text ?? '');
    pages.push({ number, charStart, charEnd });
    texts.push(text ?? '');
    charStart = charEnd + PAGE_SEPARATOR.length;
  }
  if (unreadable.length === pdf.numPages) throw new ExtractionFailed('corrupt_file', 'No page of the PDF can be read.');
  const metadata = { page_count: pdf.numPages, ...(unreadable.length === 0 ? {} : { unreadable_pages: unreadable }) };
  const { title, author } = await readInfo(pdf);
  return requireText({
    text: texts.join(PAGE_SEPARATOR),
    title,
    pages,
    headings: [],
    metadata: author === null ? metadata : { ...metadata, author },
  });
}

async function open(bytes: Buffer): Promise<Pdf> {
  try {
    // Copied out of the Buffer: pdf.js refuses Buffers and takes the memory for itself.
    return await getDocumentProxy(new Uint8Array(bytes), { verbosity: 0, useSystemFonts: false, enableXfa: false });
  } catch (error) {
    if (error instanceof Error && error.name === 'PasswordException') {
      throw new ExtractionFailed('encrypted_file', 'The PDF is protected by a password.', { cause: error });
    }
    throw new ExtractionFailed('corrupt_file', 'The PDF is damaged.', { cause: error });
  }
}

/** Null when this page is damaged; the others are still worth having. */
async function readPage(pdf: Pdf, number: number): Promise<string | null> {
  try {
    const page = await pdf.getPage(number);
    const text = await pageText(page);
    page.cleanup();
    return text;
  } catch (error) {
    if (error instanceof Error && !(error instanceof RangeError)) return null;
    throw error;
  }
}

async function pageText(page: Page): Promise<string> {
  const { items } = await page.getTextContent();
  const parts: string[] = [];
  let lineY: number | null = null;
  let lineHeight = 0;
  let lineBroken = false;
  for (const item of items) {
    if (!('str' in item)) continue;
    const y = Number(item.transform[5]);
    if (lineBroken && item.str.trim() !== '') {
      if (lineY !== null && lineY - y > PARAGRAPH_GAP * lineHeight) parts.push('\n');
      lineBroken = false;
    }
    parts.push(item.str);
    if (item.str.trim() !== '') {
      lineY = y;
      lineHeight = item.height || lineHeight;
    }
    if (item.hasEOL) {
      parts.push('\n');
      lineBroken = true;
    }
  }
  return cleanText(parts.join('')).trim();
}

async function readInfo(pdf: Pdf): Promise<{ title: string | null; author: string | null }> {
  try {
    const info = (await pdf.getMetadata()).info as Record<string, unknown>;
    const text = (value: unknown) => cleanTitle(typeof value === 'string' ? value : null);
    return { title: text(info['Title']), author: text(info['Author']) };
  } catch (error) {
    // A damaged information dictionary is no reason to lose the pages.
    if (error instanceof Error) return { title: null, author: null };
    throw error;
  }
}
