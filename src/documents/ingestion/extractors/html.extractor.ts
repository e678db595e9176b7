import { DOMParser } from 'linkedom';
import { cleanText, cleanTitle, requireText, type ExtractedDocument, type ExtractedHeading } from '../extracted-document.js';
import { ExtractionFailed } from '../extraction-failed.js';
import { labelledCharset } from '../text-decoding.js';
import { htmlToMarkdown } from './html-to-markdown.js';
import { mainContentOf } from './main-content.js';
import { markdownHeadings } from './markdown-headings.js';
import { decodeOrRefuse } from './plain-text.extractor.js';

const MAX_DEPTH = 512;
const SECTION_LENGTH = 200_000;
const BLOCK = /^(?:article|blockquote|body|div|dl|footer|h[1-6]|header|hr|main|ol|p|pre|section|table|ul)$/i;
const CONTAINER = /^(?:article|body|div|footer|header|main|section)$/i;

const IS_XHTML = /^\s*<\?xml|xmlns\s*=\s*["']http:\/\/www\.w3\.org\/1999\/xhtml/;
const SELF_CLOSED = /<([a-z][\w:-]*)(?:\s[^<>]*)?\/>/gi;
const VOID = /^(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)$/i;

type Page = ReturnType<DOMParser['parseFromString']>;
type Element = Page['documentElement'];

/** The part of a node that walking needs; linkedom's own types say `any` here. */
interface Node {
  readonly firstChild: Node | null;
  readonly nextSibling: Node | null;
  readonly parentNode: Node | null;
}

/** What no reader of the page sees as its text. */
const NOT_TEXT = 'script, style, noscript, template, iframe, object, embed, svg, canvas, audio, video, button, input, select, textarea, dialog, [hidden], [aria-hidden="true"]';
/** What repeats on every page of a site. */
const NAVIGATION = 'nav, [role="navigation"], [role="search"]';

/** @throws {ExtractionFailed} `type_mismatch`, `corrupt_file`, `no_text`. */
export function extract(bytes: Buffer, { mainContentOnly = false } = {}): ExtractedDocument {
  const { text, headings, title, encoding, language, description, author } = readPage(bytes, { mainContentOnly });
  const metadata = { encoding, ...(language === null ? {} : { language }), ...(description === null ? {} : { description }), ...(author === null ? {} : { author }) };
  return requireText({ text, title: title ?? headings.find(({ level }) => level === 1)?.text ?? null, pages: [], headings, metadata });
}

export interface PageText {
  /** Markdown; empty when the page shows nothing. */
  text: string;
  headings: ExtractedHeading[];
  title: string | null;
  encoding: string;
  language: string | null;
  description: string | null;
  /** Told of an article only. */
  author: string | null;
}

/** A page of the web or of a book; `mainContentOnly` leaves out what surrounds its article, if it has one. @throws {ExtractionFailed} `type_mismatch`, `corrupt_file`. */
export function readPage(bytes: Buffer, { mainContentOnly = false } = {}): PageText {
  const { text: html, encoding } = decodeOrRefuse(bytes, labelledCharset(bytes));
  const page = parse(html);
  refuseDepth(page);
  const title = cleanTitle(page.querySelector('title')?.textContent);
  const language = page.documentElement.getAttribute('lang')?.trim().slice(0, 35) ?? '';
  const description = cleanTitle(page.querySelector('meta[name="description"]')?.getAttribute('content'));
  const article = mainContentOnly ? mainContentOf(page) : null;
  // Looking for an article takes the page apart.
  const text = textOf(article ? parse(article.html) : mainContentOnly ? parse(html) : page);
  const ofArticle = { title: cleanTitle(article?.title) ?? title, author: article?.author ?? null };
  return { text, headings: markdownHeadings(text), encoding, language: language === '' ? null : language, description, ...ofArticle };
}

function textOf(page: Page): string {
  remove(page, NOT_TEXT);
  const whole = page.documentElement.outerHTML;
  remove(page, NAVIGATION);
  const text = cleanText([...sections(page.documentElement)].map(htmlToMarkdown).join('\n\n')).trim();
  // A page that is nothing but navigation (a sitemap, an index) is about what it links to.
  return text === '' ? cleanText(htmlToMarkdown(whole)).trim() : text;
}

function parse(html: string): Page {
  return new DOMParser().parseFromString(asPage(html), 'text/html');
}

/** linkedom loses what stands outside a root element, so a fragment is given one. */
function asPage(html: string): string {
  const page = IS_XHTML.test(html.slice(0, 1024)) ? html.replace(SELF_CLOSED, closed) : html;
  return /<html[\s>]/i.test(page.slice(0, 65_536)) ? page : `<!doctype html><html><body>${page}</body></html>`;
}

/** To HTML's rules `<title/>` begins a title that never ends, and takes the page with it. */
function closed(tag: string, name: string): string {
  return VOID.test(name) ? tag : `${tag.slice(0, -2)}></${name}>`;
}

/** Turndown recurses and looks up the whole path at every tag; browsers stop nesting at 512, too. */
function refuseDepth(page: Page): void {
  let depth = 0;
  let node: Node | null = page.documentElement;
  while (node !== null) {
    if (node.firstChild !== null) {
      node = node.firstChild;
      depth += 1;
      if (depth > MAX_DEPTH) throw new ExtractionFailed('corrupt_file', 'The page is nested too deeply.');
      continue;
    }
    while (node !== null && node.nextSibling === null) {
      node = node.parentNode;
      depth -= 1;
    }
    node = node?.nextSibling ?? null;
  }
}

/** Cuts a long page between blocks, because Turndown's tree of a whole one takes a hundred times its size. */
function* sections(container: Element): Generator<string> {
  let batch = '';
  for (const child of container.childNodes) {
    const html = child.toString();
    const block = BLOCK.test(child.nodeName);
    if (block && batch.length + html.length > SECTION_LENGTH) {
      yield batch;
      batch = '';
    }
    if (html.length > SECTION_LENGTH && CONTAINER.test(child.nodeName)) yield* sections(child as Element);
    else batch += html;
  }
  yield batch;
}

function remove(page: Page, selector: string): void {
  for (const element of page.querySelectorAll(selector)) element.remove();
}
