import { DOMParser } from 'linkedom';
import { cleanText, cleanTitle, requireText, type ExtractedDocument } from '../extracted-document.js';
import { labelledCharset } from '../text-decoding.js';
import { htmlToMarkdown } from './html-to-markdown.js';
import { markdownHeadings } from './markdown-headings.js';
import { decodeOrRefuse } from './plain-text.extractor.js';

type Page = ReturnType<DOMParser['parseFromString']>;

/** What no reader of the page sees as its text. */
const NOT_TEXT = 'script, style, noscript, template, iframe, object, embed, svg, canvas, audio, video, button, input, select, textarea, dialog, [hidden], [aria-hidden="true"]';
/** What repeats on every page of a site. */
const NAVIGATION = 'nav, [role="navigation"], [role="search"]';

/** @throws {ExtractionFailed} `type_mismatch`, `no_text`. */
export function extract(bytes: Buffer): ExtractedDocument {
  const { text: html, encoding } = decodeOrRefuse(bytes, labelledCharset(bytes));
  const page = new DOMParser().parseFromString(asPage(html), 'text/html');
  const title = page.querySelector('title')?.textContent;
  const metadata = { encoding, ...describe(page) };
  remove(page, NOT_TEXT);
  const whole = page.documentElement.outerHTML;
  remove(page, NAVIGATION);
  let text = toText(page.documentElement.outerHTML);
  // A page that is nothing but navigation (a sitemap, an index) is about what it links to.
  if (text === '') text = toText(whole);
  const headings = markdownHeadings(text);
  return requireText({ text, title: cleanTitle(title) ?? firstHeading(headings), pages: [], headings, metadata });
}

/** linkedom loses what stands outside a root element, so a fragment is given one. */
function asPage(html: string): string {
  return /<html[\s>]/i.test(html.slice(0, 65_536)) ? html : `<!doctype html><html><body>${html}</body></html>`;
}

function toText(html: string): string {
  return cleanText(htmlToMarkdown(html)).trim();
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
