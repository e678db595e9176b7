import { countTokens as countInEncoding } from 'gpt-tokenizer/encoding/o200k_base';

/** A run without a break is one piece to the tokenizer, whose merging takes the square of its length. */
const LONG_RUN = /\S{256}(?=\S)|\s{256}(?=\s)/gu;

/** `<|endoftext|>` in a document is text like any other; by default the tokenizer throws at it. */
const OPTIONS = { disallowedSpecial: new Set<string>() };

/** Tokens of o200k_base in linear time; runs of more than 256 characters are counted in parts, a token or so too high each. */
export function countTokens(text: string): number {
  let tokens = 0;
  let start = 0;
  for (const run of text.matchAll(LONG_RUN)) {
    const end = run.index + run[0].length;
    tokens += countInEncoding(text.slice(start, end), OPTIONS);
    start = end;
  }
  return tokens + countInEncoding(text.slice(start), OPTIONS);
}
