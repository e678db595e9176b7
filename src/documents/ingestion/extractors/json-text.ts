import type { DocumentText } from './document-text.js';
import { jsonEvents } from './json-tokens.js';

/** Every line repeats the keys above it. */
const MAX_KEY_LENGTH = 100;
/** Scalars of one array share a line up to here. */
const MAX_JOINED_LENGTH = 200;
/** A longer paragraph is ended anyway: what is not in the document yet is not counted. */
const MAX_LINES = 1000;

/** An object or array that is being read. */
interface Level {
  array: boolean;
  /** How many members it had so far. */
  members: number;
  /** The key of the member that is being read; unused in an array. */
  key: string;
  /** What an array's scalars since the last object or array are. */
  scalars: string[];
}

/**
 * Writes one JSON value as lines of `path: value`, in the order of the file. Each line stands for itself wherever a chunk begins
 * (`orders[0].city: Graz`); an object within an array is a paragraph.
 *
 * @throws {ExtractionFailed} `corrupt_file` with the line, `archive_limits`.
 */
export function writeJson(document: DocumentText, json: string, firstLine = 1): void {
  const levels: Level[] = [];
  let lines: string[] = [];
  const endParagraph = () => {
    document.block(lines.join('\n'));
    lines = [];
  };
  const write = (depth: number, value: string) => {
    const path = pathOf(levels.slice(0, depth));
    lines.push(path === '' ? value : `${path}: ${value}`);
    if (lines.length === MAX_LINES) endParagraph();
  };
  const writeScalars = ({ scalars }: Level) => {
    const joined = scalars.join(', ');
    // Under the path of the array itself: an index says nothing about a word in a list.
    for (const line of joined.length <= MAX_JOINED_LENGTH ? [joined] : scalars) if (scalars.length > 0) write(levels.length - 1, line);
    scalars.length = 0;
  };
  for (const event of jsonEvents(json, firstLine)) {
    const level = levels.at(-1);
    if (event.kind === 'key') {
      level!.key = event.name.replace(/\s+/g, ' ').slice(0, MAX_KEY_LENGTH);
      continue;
    }
    if (event.kind === 'close') {
      writeScalars(level!);
      if (level!.members === 0 && levels.length > 1) write(levels.length - 1, level!.array ? '[]' : '{}');
      levels.pop();
      if (!level!.array && levels.at(-1)?.array === true) endParagraph();
      continue;
    }
    if (level !== undefined) level.members += 1;
    if (event.kind === 'open') {
      if (level?.array === true) {
        writeScalars(level);
        if (event.bracket === '{') endParagraph();
      }
      levels.push({ array: event.bracket === '[', members: 0, key: '', scalars: [] });
    } else if (level?.array === true) {
      level.scalars.push(event.text);
    } else {
      write(levels.length, event.text);
    }
  }
  endParagraph();
}

function pathOf(levels: readonly Level[]): string {
  return levels.reduce((path, { array, members, key }, depth) => {
    // The place in the list that a file is says no more than the paragraph does.
    if (array) return depth === 0 ? path : `${path}[${members - 1}]`;
    return path === '' ? key : `${path}.${key}`;
  }, '');
}
