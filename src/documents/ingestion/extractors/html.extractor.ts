import { DOMParser } from 'linkedom';
import { cleanText, cleanTitle, requireText, type ExtractedDocument } from '../extracted-document.js';
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

/** @throws {ExtractionFailed} `type_mismatch`, `no_text`. */
export function extract(bytes: Buffer, { mainContentOnly = false } = {}): ExtractedDocument {
  const { text: html, encoding } = decodeOrRefuse(bytes, labelledCharset(bytes));
  const page = parse(html);
  refuseDepth(page);
  const title = page.querySelector('title')?.textContent;
  const metadata = { encoding, ...describe(page) };
  if (!mainContentOnly) return documentOf(page, title, metadata);
  const article = mainContentOf(page);
  if (!article) return documentOf(parse(html), title, metadata);
  return documentOf(parse(article.html), article.title ?? title, { ...metadata, ...(article.author === null ? {} : { author: article.author }) });
}

function documentOf(page: Page, title: string | null | undefined, metadata: Record<string, unknown>): ExtractedDocument {
  remove(page, NOT_TEXT);
  const whole = page.documentElement.outerHTML;
  remove(page, NAVIGATION);
  let text = cleanText([...sections(page.documentElement)].map(htmlToMarkdown).join('\n\n')).trim();
  // A page that is nothing but navigation (a sitemap, an index) is about what it links to.
  if (text === '') text = cleanText(htmlToMarkdown(whole)).trim();
  const headings = markdownHeadings(text);
  return requireText({ text, title: cleanTitle(title) ?? firstHeading(headings), pages: [], headings, metadata });
}

/** linkedom loses what stands outside a root element, so a fragment is given one. */
function parse(html: string): Page {
  const whole = /<html[\s>]/i.test(html.slice(0, 65_536)) ? html : `<!doctype html><html><body>${html}</body></html>`;
  return new DOMParser().parseFromString(whole, 'text/html');
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

function describe(page: Page): Record<string, string> {
  const language = page.documentElement.getAttribute('lang')?.trim();
  const description = cleanTitle(page.querySelector('meta[name="description"]')?.getAttribute('content'));
  return { ...(language ? { language: language.slice(0, 35) } : {}), ...(description === null ? {} : { description }) };
}

function firstHeading(headings: ExtractedDocument['headings']): string | null {
  return headings.find(({ level }) => level === 1)?.text ?? null;
}
