import { Readability } from '@mozilla/readability';
import type { DOMParser } from 'linkedom';

/** More elements than any article has; scoring them all would take longer than the whole page is worth. */
const MAX_ELEMENTS = 50_000;
/** Below this there is no article but a scrap: of an index of links, or of a page that its scripts would fill. */
const MIN_LENGTH = 250;
/** Of the page's text. A smaller part is a teaser or a comment. */
const MIN_SHARE = 0.1;

type Page = ReturnType<DOMParser['parseFromString']>;
type Element = Page['documentElement'];

export interface MainContent {
  html: string;
  title: string | null;
  author: string | null;
}

/**
 * The article of a page, without what surrounds it, as Firefox's reader view shows it; null when the page has none that could stand for it. Takes
 * the page apart.
 */
export function mainContentOf(page: Page): MainContent | null {
  if (page.querySelectorAll('*').length > MAX_ELEMENTS) return null;
  const unread = [...page.querySelectorAll('script, style, noscript, template')].reduce((sum, element) => sum + lengthOf(element.textContent), 0);
  const pageLength = lengthOf(page.documentElement.textContent) - unread;
  shortenTitle(page);
  const article = new Readability<Element>(page, { serializer: (node) => node }).parse();
  const length = lengthOf(article?.textContent);
  if (!article?.content || length < MIN_LENGTH || length < MIN_SHARE * pageLength) return null;
  const title = article.title || null;
  divideCells(page, article.content);
  // The page's own first heading is left out where it repeats the title, and every other one made a second.
  const heading = page.createElement('h1', undefined);
  heading.textContent = title ?? '';
  return { html: (title === null ? '' : heading.outerHTML) + article.content.innerHTML, title, author: article.byline || null };
}

/** `Puffins | The Bird Site` is called Puffins when its only main heading says so; Readability guesses by the punctuation, and keeps short ones whole. */
function shortenTitle(page: Page): void {
  const [heading, second] = page.querySelectorAll('h1');
  const title = page.querySelector('title');
  const text = (heading?.textContent ?? '').trim();
  if (title && text !== '' && second === undefined && title.textContent?.includes(text)) title.textContent = text;
}

/** Of a table that lays out a page, rows and cells may be left without it: to a parser these are no tags, and their words would run together. */
function divideCells(page: Page, content: Element): void {
  for (const part of content.querySelectorAll('tbody, thead, tfoot, tr, td, th')) {
    if (part.closest('table')) continue;
    const division = page.createElement('div', undefined);
    while (part.firstChild) division.append(part.firstChild);
    part.replaceWith(division);
  }
}

const lengthOf = (text: string | null | undefined): number => (text ?? '').replace(/\s+/g, ' ').trim().length;
