import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';

const pages = globSync(['*.md', '{docs,examples,bench,deploy}/**/*.md'], { exclude: ['**/node_modules/**'] });

const withoutCode = (markdown: string): string => markdown.replaceAll(/^```[^]*?^```/gm, '').replaceAll(/`[^`\n]*`/g, '`');

/** As GitHub names headings: in lower case, without punctuation, with hyphens for spaces. */
function anchorsOf(file: string): Set<string> {
  const headings = readFileSync(file, 'utf8').replaceAll(/^```[^]*?^```/gm, '').matchAll(/^#{1,6} (.+)$/gm);
  const seen = new Map<string, number>();
  return new Set(
    [...headings].map(([, heading]) => {
      const name = heading!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, '').trim().replaceAll(' ', '-');
      const times = seen.get(name) ?? 0;
      seen.set(name, times + 1);
      return times === 0 ? name : `${name}-${times}`;
    }),
  );
}

function faultOf(page: string, link: string): string | null {
  const [file = '', anchor] = link.split('#');
  const target = path.relative('.', file === '' ? page : path.resolve(path.dirname(page), file));
  if (!existsSync(target)) return `${page} links to ${link}, which is not there`;
  if (anchor !== undefined && !anchorsOf(target).has(anchor)) return `${page} links to ${link}, where there is no such heading`;
  return null;
}

describe('the pages', () => {
  it('link to nothing that is missing', () => {
    const links = pages.flatMap((page) => [...withoutCode(readFileSync(page, 'utf8')).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => [page, link!] as const));
    const own = links.filter(([, link]) => !/^[a-z]+:/.test(link) && !link.startsWith('/'));
    expect(own.length).toBeGreaterThan(50);
    expect(own.flatMap(([page, link]) => faultOf(page, link) ?? [])).toEqual([]);
  });

  it('are all listed in the index', () => {
    const index = readFileSync('docs/README.md', 'utf8');
    const listed = [...index.matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, file]) => `docs/${file}`);
    expect(listed).toEqual(expect.arrayContaining(pages.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md')));
  });
});
