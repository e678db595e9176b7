import { globSync, readFileSync } from 'node:fs';
import { errorCodesIn } from './error-codes.js';

const PAGE = 'docs/errors.md';

const sources = Object.fromEntries(globSync('src/**/*.ts', { exclude: (name) => name.endsWith('.spec.ts') }).map((file) => [file, readFileSync(file, 'utf8')]));

/** As the page has them: `### \`code\``, a blank line, and a text. */
function explainedCodes(): string[] {
  return [...readFileSync(PAGE, 'utf8').matchAll(/^### `(\w+)`\n\n\S/gm)].map(([, code]) => code!);
}

describe('the page of errors', () => {
  const answered = errorCodesIn(sources);
  const explained = explainedCodes();

  it('explains every code that the server can answer with', () => {
    const missing = [...answered].filter(([code]) => !explained.includes(code));
    expect(missing.map(([code, files]) => `add "### \`${code}\`" to ${PAGE} (it is in ${files.join(', ')})`)).toEqual([]);
  });

  it('explains no code that the server has not', () => {
    expect(explained.filter((code) => !answered.has(code))).toEqual([]);
  });

  it('explains each once', () => {
    expect(explained).toEqual([...new Set(explained)]);
  });
});

it.each([
  ['a problem', "super({ status: 404, code: 'found_so', title: '' })"],
  ['a choice', "const problem = { code: late ? 'found_so' : 'found_otherwise' }"],
  ['an argument', "class Failed { constructor(m: string, readonly code: string) {} } throw new Failed('m', 'found_so')"],
  ['what a subclass hands up', "class Failed { constructor(code: string) {} } class Worse extends Failed { constructor() { super('found_so') } }"],
  ['a default', "class Failed { constructor(code = 'found_so') {} }"],
  ['the type of a parameter', "class Failed { constructor(code: 'found_so' | 'found_otherwise') {} }"],
  ['the type of a field', "interface Failure { code: 'found_so'; message: string }"],
  ['a type', "export type FailureCode = 'found_so' | 'found_otherwise'"],
  ['a list', "const FAILURE_CODES = ['found_so'] as const"],
])('a code is found as %s', (_, text) => {
  expect([...errorCodesIn({ 'a.ts': text }).keys()]).toContain('found_so');
});
