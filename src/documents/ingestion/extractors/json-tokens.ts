import { ExtractionFailed } from '../extraction-failed.js';

export type JsonEvent = { kind: 'open'; bracket: '{' | '[' } | { kind: 'close' } | { kind: 'key'; name: string } | { kind: 'value'; text: string };

const MAX_DEPTH = 100;
const SPACE = /[ \t\n\r]*/y;
const SCALAR = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y;

/** What the grammar allows next: `end` is after a whole value, `first` what follows an opening bracket, which may close at once. */
type Expected = 'value' | 'first value' | 'key' | 'first key' | 'colon' | 'end';

/**
 * Reads JSON (RFC 8259) token by token. `JSON.parse` would make objects of it first: ten times the memory, other numbers than
 * were written (12345678901234567890), another order of keys that look like numbers, and errors that name no line.
 *
 * @throws {ExtractionFailed} `corrupt_file` with the line.
 */
export function* jsonEvents(text: string, firstLine = 1): Generator<JsonEvent> {
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'value';
  let start = 0;
  let end = 0;
  const fail = (): never => {
    throw invalid(text, start, firstLine);
  };
  const requireValue = () => {
    if (expected !== 'value' && expected !== 'first value') fail();
    expected = 'end';
  };
  while (expected !== 'end' || open.length > 0) {
    start = endOf(SPACE, text, end)!;
    const first = text.charAt(start);
    end = start + 1;
    if (first === '{' || first === '[') {
      requireValue();
      if (open.length === MAX_DEPTH) throw new ExtractionFailed('corrupt_file', `The JSON is nested deeper than ${MAX_DEPTH} levels.`);
      open.push(first);
      expected = first === '{' ? 'first key' : 'first value';
      yield { kind: 'open', bracket: first };
    } else if (first === '}' || first === ']') {
      const [opening, empty] = first === '}' ? (['{', 'first key'] as const) : (['[', 'first value'] as const);
      if (open.pop() !== opening || (expected !== 'end' && expected !== empty)) fail();
      expected = 'end';
      yield { kind: 'close' };
    } else if (first === ',') {
      if (expected !== 'end') fail();
      expected = open.at(-1) === '{' ? 'key' : 'value';
    } else if (first === ':') {
      if (expected !== 'colon') fail();
      expected = 'value';
    } else if (first === '"') {
      end = closingQuote(text, start) ?? fail();
      const string = unquoted(text.slice(start, end)) ?? fail();
      if (expected === 'key' || expected === 'first key') {
        expected = 'colon';
        yield { kind: 'key', name: string };
      } else {
        requireValue();
        yield { kind: 'value', text: string };
      }
    } else {
      requireValue();
      end = endOf(SCALAR, text, start) ?? fail();
      yield { kind: 'value', text: text.slice(start, end) };
    }
  }
  start = endOf(SPACE, text, end)!;
  if (start < text.length) fail();
}

function endOf(pattern: RegExp, text: string, start: number): number | null {
  pattern.lastIndex = start;
  return pattern.test(text) ? pattern.lastIndex : null;
}

/** Searched by hand: a regular expression runs out of stack at some megabytes of escapes. */
function closingQuote(text: string, start: number): number | null {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let escape = quote;
    while (text.charAt(escape - 1) === '\\') escape -= 1;
    if ((quote - escape) % 2 === 0) return quote + 1;
  }
  return null;
}

/** Null when it holds an escape or a control character that JSON does not know. */
function unquoted(string: string): string | null {
  try {
    return JSON.parse(string) as string;
  } catch (error) {
    if ((error as Error).name === 'SyntaxError') return null;
    throw error;
  }
}

function invalid(text: string, position: number, firstLine: number): ExtractionFailed {
  let line = firstLine;
  for (let newline = text.indexOf('\n'); newline !== -1 && newline < position; newline = text.indexOf('\n', newline + 1)) line += 1;
  const what = position >= text.length ? 'it ends too early' : 'what stands there is not expected';
  return new ExtractionFailed('corrupt_file', `The JSON is not valid at line ${line}: ${what}.`);
}
