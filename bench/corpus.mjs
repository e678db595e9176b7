// Documents to ingest: made anew for each round, always the same for the same number, no two of them alike.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const SYLLABLES = ['ka', 'lo', 'mi', 'ter', 'en', 'su', 'ra', 'vi', 'do', 'pan', 'el', 'to', 'ber', 'na', 'gi', 'os'];
const SMALLEST_BYTES = 2000;
const LARGEST_BYTES = 100_000;
const TEXTS = 48;
const PDFS = 8;
const TOPICS = 200;
/** In a row, of one topic. */
const PASSAGES_A_TOPIC = 20;

/** mulberry32: enough of a random generator for texts that repeat in every run. */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Of 4,096 words, the low ones far more often than the others, as in a language. */
const word = (random) => wordAt(Math.floor(4096 * random() ** 3));

function wordAt(number) {
  let at = number;
  let text = '';
  for (let syllable = 0; syllable < 3; syllable += 1, at >>= 4) text += SYLLABLES[at & 15];
  return text;
}

const sentence = (random) => `${Array.from({ length: 6 + Math.floor(12 * random()) }, () => word(random)).join(' ')}.`;

function markdown(random, bytes, title) {
  const parts = [`# ${title}`];
  for (let written = 0; written < bytes; written += parts.at(-1).length) {
    if (random() < 0.15) parts.push(`## ${word(random)} ${word(random)}`);
    parts.push(Array.from({ length: 3 + Math.floor(5 * random()) }, () => sentence(random)).join(' '));
  }
  return parts.join('\n\n');
}

const page = (text) => `<!doctype html><html><body>${text.replace(/^#+ (.*)$/gm, '<h2>$1</h2>').replace(/^([a-z].*)$/gm, '<p>$1</p>')}</body></html>`;

/** @returns `{ name, type, bytes }` of Markdown, web pages and PDFs, from 2 to 100 kB of text */
export async function corpus(round) {
  const random = randomFrom(1 + round);
  const texts = Array.from({ length: TEXTS }, (_, at) => {
    const size = Math.round(SMALLEST_BYTES * (LARGEST_BYTES / SMALLEST_BYTES) ** random());
    const text = markdown(random, size, `Round ${round}, document ${at}`);
    return at % 3 === 0 ? { name: `${round}-${at}.html`, type: 'html', bytes: Buffer.from(page(text)) } : { name: `${round}-${at}.md`, type: 'md', bytes: Buffer.from(text) };
  });
  const pdf = await readFile(fileURLToPath(new URL('../examples/lighthouse-bees.pdf', import.meta.url)));
  // A comment behind the end changes the checksum and nothing else.
  const pdfs = Array.from({ length: PDFS }, (_, at) => ({ name: `${round}-${at}.pdf`, type: 'pdf', bytes: Buffer.concat([pdf, Buffer.from(`\n%${round}-${at}\n`)]) }));
  return [...texts, ...pdfs];
}

/** Two words in five are of its topic, the others of the language. */
function passage(number) {
  const random = randomFrom(1_000_003 * (1 + number));
  const topic = Math.floor(number / PASSAGES_A_TOPIC) % TOPICS;
  const one = () => (random() < 0.4 ? wordAt((topic * 37 + Math.floor(120 * random() ** 2)) & 4095) : word(random));
  return Array.from({ length: 40 + Math.floor(80 * random()) }, one);
}

/** @returns so many texts of about 600 characters, from number `first` on: the chunks of documents on different topics */
export const passages = (first, count) => Array.from({ length: count }, (_, at) => passage(first + at).join(' '));

/** @returns so many questions of 3 to 8 words, each out of one of the first `size` passages */
export function queriesOf(size, count) {
  const random = randomFrom(size + 7);
  return Array.from({ length: count }, () => {
    const words = passage(Math.floor(size * random()));
    const from = Math.floor((words.length - 8) * random());
    return words.slice(from, from + 3 + Math.floor(6 * random())).join(' ');
  });
}
