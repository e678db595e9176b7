// The document the demo sends, and what a search must find in it.
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** The sentence with these words, as it may stand in a PDF, where lines end anywhere. */
const sentenceWith = (words) => new RegExp(`[^.]*${words.split(' ').join('\\s+')}[^.]*\\.`);

const DOCUMENTS = [
  {
    path: at('../shared/fixtures/pdf/tracemonkey.pdf'),
    about: 'a paper of 14 pages on compiling JavaScript',
    question: 'Why are dynamic languages such as JavaScript difficult to compile?',
    sentence: sentenceWith('languages such as JavaScript are more difficult to'),
    page: 1,
  },
  {
    path: at('examples/lighthouse-bees.pdf'),
    about: 'a small handbook that comes with this project',
    question: 'How much honey did the hive on the south wall keep for the winter?',
    sentence: sentenceWith('the third hive on the south wall kept nineteen kilograms of heather honey'),
    page: 3,
  },
];

export function chooseDocument() {
  const document = DOCUMENTS.find(({ path }) => existsSync(path));
  if (!document) throw new Error(`There is no document to send: ${DOCUMENTS.at(-1).path} is missing.`);
  return { ...document, name: basename(document.path), bytes: readFileSync(document.path) };
}
