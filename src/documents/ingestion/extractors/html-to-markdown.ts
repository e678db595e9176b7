import TurndownService from 'turndown';
import { gfm } from '@joplin/turndown-plugin-gfm';

/** Turns HTML into GitHub flavoured Markdown; always from a string, so that Turndown parses it by the HTML5 rules itself. */
export function htmlToMarkdown(html: string): string {
  const turndown = new TurndownService({ headingStyle: 'atx', codeBlockStyle: 'fenced', bulletListMarker: '-', emDelimiter: '*' });
  turndown.use(gfm);
  // Turndown's full escaping (`snake\_case`, `1\.`) hides words from a search; only what would become a heading or a fence is defused.
  turndown.escape = (text) => text.replace(/^(#{1,6}(?:\s|$)|`{3}|~{3}|={3}|-{3})/, '\\$1');
  // Places inside the document mean nothing to a reader of a chunk, and "back to the footnote" arrows still less.
  turndown.addRule('fragment link', {
    filter: (node) => node.nodeName === 'A' && (node.getAttribute('href') ?? '').startsWith('#'),
    replacement: (content) => (content.trim() === '↑' ? '' : content),
  });
  // An embedded picture is megabytes of base64; its description is all that can be searched.
  turndown.addRule('image', {
    filter: 'img',
    replacement: (_content, node) => imageMarkdown(node as HTMLElementLike),
  });
  turndown.remove(['script', 'style', 'noscript', 'template', 'title']);
  return turndown.turndown(html);
}

interface HTMLElementLike {
  getAttribute(name: string): string | null;
}

function imageMarkdown(image: HTMLElementLike): string {
  const description = (image.getAttribute('alt') ?? '').replace(/\s+/g, ' ').trim();
  if (description === '') return '';
  const source = (image.getAttribute('src') ?? '').trim();
  return /^https?:\/\/[^\s()]+$/i.test(source) ? `![${description}](${source})` : description;
}
