import { TextDecoder } from 'node:util';
import { cleanTitle, type ExtractedDocument } from '../extracted-document.js';
import { ExtractionFailed } from '../extraction-failed.js';
import { DocumentText } from './document-text.js';
import { markdownTable } from './markdown-table.js';
import { encodingOfCharset, encodingOfCodePage } from './rtf-encodings.js';
import { rtfTokens } from './rtf-tokens.js';

const MAX_DEPTH = 1000;

/** What a group's text is for. */
type Destination = 'text' | 'note' | 'skip' | 'fonts' | 'styles' | 'title' | 'author';

/** Holds within a group and those in it, and is given back where it ends. */
interface State {
  destination: Destination;
  hidden: boolean;
  encoding: string;
  /** How many characters of a reader without Unicode follow each `\u`. */
  fallback: number;
  /** The font or style that an entry of their tables defines. */
  defined: number | null;
}

const SKIPPED = [
  ['colortbl', 'filetbl', 'revtbl', 'rsidtbl', 'xmlnstbl', 'generator', 'nonesttables'],
  ['pict', 'nonshppict', 'object', 'shprslt', 'sp', 'sn', 'sv', 'fldinst', 'upr'],
  ['header', 'headerl', 'headerr', 'headerf', 'footer', 'footerl', 'footerr', 'footerf', 'ftnsep', 'ftnsepc', 'aftnsep', 'aftnsepc'],
  ['listtext', 'pntext', 'annotation', 'atnid', 'atnauthor', 'bkmkstart', 'bkmkend', 'tc', 'tcn', 'xe', 'txe', 'rxe'],
  ['subject', 'keywords', 'doccomm', 'operator', 'company', 'manager', 'category', 'comment', 'hlinkbase', 'creatim', 'revtim', 'printim', 'buptim'],
].flat();
/** By the word a group begins with. Others are formatting, and text like what is around them. */
const DESTINATIONS = new Map<string, Destination>([
  ...SKIPPED.map((word) => [word, 'skip'] as const),
  ['footnote', 'note'],
  ['fonttbl', 'fonts'],
  ['stylesheet', 'styles'],
  ['title', 'title'],
  ['author', 'author'],
]);
/** Groups that begin with `\*` may be skipped by who does not know them; these hold text. */
const STARRED_TEXT = new Set(['shpinst', 'shptxt', 'ud', 'fldrslt']);

const CHARACTERS = new Map([
  ['tab', '\t'],
  ['line', '\n'],
  ['emdash', '—'],
  ['endash', '–'],
  ['lquote', '‘'],
  ['rquote', '’'],
  ['ldblquote', '“'],
  ['rdblquote', '”'],
  ['bullet', '•'],
  ['emspace', ' '],
  ['enspace', ' '],
  ['~', '\u00a0'],
  ['_', '\u2011'],
]);

/**
 * Reads Rich Text Format (specification 1.9.1): text, headings by outline level, lists and tables. Pictures, headers, footers, comments
 * and hidden text are left out.
 *
 * @throws {ExtractionFailed} `type_mismatch`, `corrupt_file`, `archive_limits`, `no_text`.
 */
export function extract(bytes: Buffer): ExtractedDocument {
  if (!/^\s*\{\\rtf/.test(bytes.toString('latin1', 0, 64))) throw new ExtractionFailed('type_mismatch', 'The content is not RTF.');
  return new RtfReader().read(bytes);
}

class RtfReader {
  private readonly document = new DocumentText();
  private readonly groups: State[] = [];
  private state: State = { destination: 'text', hidden: false, encoding: 'windows-1252', fallback: 1, defined: null };
  /** Bytes of one encoding that may be halves of characters. */
  private pending: Uint8Array[] = [];
  private paragraph = '';
  private info = { title: '', author: '' };
  private documentEncoding = 'windows-1252';
  private readonly fontEncodings = new Map<number, string>();
  private readonly styleLevels = new Map<number, number>();
  private readonly decoders = new Map<string, TextDecoder>();
  private note = '';
  private notes: string[] = [];
  private noteCount = 0;
  /** Characters still to be skipped behind a `\u`. */
  private skipping = 0;
  private starred = false;
  private groupBegins = false;
  private level: number | null = null;
  private listItem = false;
  private inTable = false;
  private cells: string[] = [];
  private rows: string[][] = [];

  read(bytes: Buffer): ExtractedDocument {
    for (const token of rtfTokens(bytes)) {
      if (token.kind === 'open') this.open();
      else if (token.kind === 'close') {
        this.close();
        if (this.groups.length === 0) return this.finish();
      } else if (token.kind === 'bytes') this.bytes(token.bytes);
      else this.control(token.word, token.parameter);
    }
    throw new ExtractionFailed('corrupt_file', 'The file ends in the middle: a group is never closed.');
  }

  private open(): void {
    this.flush();
    if (this.groups.length === MAX_DEPTH) throw new ExtractionFailed('corrupt_file', 'The groups of the file are nested too deeply.');
    this.groups.push({ ...this.state });
    [this.groupBegins, this.starred, this.skipping] = [true, false, 0];
  }

  private close(): void {
    this.flush();
    const outer = this.groups.pop();
    if (outer === undefined) throw new ExtractionFailed('corrupt_file', 'A group of the file ends without a beginning.');
    if (this.state.destination === 'note' && outer.destination !== 'note') {
      this.notes.push(`[${this.noteCount}] ${this.note.trim()}`);
      this.note = '';
    }
    this.state = outer;
    [this.groupBegins, this.skipping] = [false, 0];
  }

  private finish(): ExtractedDocument {
    this.endParagraph();
    this.endTable();
    const author = cleanTitle(this.info.author);
    return this.document.toDocument(cleanTitle(this.info.title) ?? this.document.firstHeading(), author === null ? {} : { author });
  }

  private bytes(bytes: Uint8Array): void {
    const skipped = Math.min(this.skipping, bytes.length);
    this.skipping -= skipped;
    this.groupBegins = false;
    if (skipped < bytes.length) this.pending.push(bytes.subarray(skipped));
  }

  private control(word: string, parameter: number | null): void {
    if (word === '*') {
      this.starred = true;
      return;
    }
    const begins = this.groupBegins;
    this.groupBegins = false;
    if (this.skipping > 0 && CHARACTERS.has(word)) {
      this.skipping -= 1;
      return;
    }
    // Any other word would count as a character, too; but writers that forget the fallback end paragraphs there.
    this.skipping = 0;
    this.flush();
    if (begins) this.enter(word);
    if (this.state.destination === 'fonts' || this.state.destination === 'styles') return this.define(word, parameter);
    if (this.state.destination === 'skip') return;
    this.format(word, parameter);
  }

  /** The first word of a group says what the group is for. */
  private enter(word: string): void {
    if (word === 'listtext' || word === 'pntext') this.listItem = true;
    // The Unicode half of a pair (`\upr`) whose other half is skipped.
    if (word === 'ud') this.state.destination = 'text';
    if (this.state.destination === 'skip') return;
    const destination = DESTINATIONS.get(word);
    if (destination === 'note') this.write(`[${(this.noteCount += 1)}]`);
    if (destination !== undefined) this.state.destination = destination;
    else if (this.starred && !STARRED_TEXT.has(word)) this.state.destination = 'skip';
    this.starred = false;
  }

  private define(word: string, parameter: number | null): void {
    if (parameter === null) return;
    if (word === (this.state.destination === 'fonts' ? 'f' : 's')) this.state.defined = parameter;
    if (this.state.defined === null) return;
    if (word === 'outlinelevel' && parameter < 9) this.styleLevels.set(this.state.defined, parameter + 1);
    const encoding = word === 'fcharset' ? encodingOfCharset(parameter) : undefined;
    if (encoding !== undefined) this.fontEncodings.set(this.state.defined, encoding);
  }

  private format(word: string, parameter: number | null): void {
    const character = CHARACTERS.get(word);
    if (character !== undefined) return this.write(character);
    switch (word) {
      case 'ansicpg':
        this.documentEncoding = encodingOfCodePage(parameter ?? 1252);
        this.state.encoding = this.documentEncoding;
        break;
      case 'mac':
        this.documentEncoding = 'macintosh';
        this.state.encoding = this.documentEncoding;
        break;
      case 'f':
        this.state.encoding = this.fontEncodings.get(parameter ?? 0) ?? this.documentEncoding;
        break;
      case 'plain':
        this.state.encoding = this.documentEncoding;
        this.state.hidden = false;
        break;
      case 'v':
      case 'deleted':
        this.state.hidden = parameter !== 0;
        break;
      case 'uc':
        this.state.fallback = Math.max(0, parameter ?? 1);
        break;
      case 'u':
        this.write(String.fromCharCode((parameter ?? 0x20) & 0xffff));
        this.skipping = this.state.fallback;
        break;
      default:
        if (this.state.destination === 'text') this.layout(word, parameter);
        // A note may have paragraphs, but they are not those of the page.
        else if (word === 'par') this.write(' ');
    }
  }

  private layout(word: string, parameter: number | null): void {
    switch (word) {
      case 'pard':
        [this.level, this.listItem, this.inTable] = [null, false, false];
        break;
      case 's':
        this.level = this.styleLevels.get(parameter ?? 0) ?? null;
        break;
      case 'outlinelevel':
        this.level = parameter === null || parameter > 8 ? null : parameter + 1;
        break;
      case 'intbl':
        this.inTable = true;
        break;
      case 'par':
      case 'sect':
      case 'page':
        if (this.inTable) this.paragraph += '\n';
        else this.endParagraph();
        break;
      case 'nestcell':
        this.paragraph += '\n';
        break;
      case 'cell':
        this.cells.push(this.paragraph);
        this.paragraph = '';
        break;
      case 'row':
        this.rows.push(this.cells);
        this.cells = [];
        break;
    }
  }

  private write(text: string): void {
    const { destination, hidden } = this.state;
    if (destination === 'title' || destination === 'author') this.info[destination] += text;
    else if (destination === 'note' && !hidden) this.note += text;
    else if (destination === 'text' && !hidden) this.paragraph += text;
  }

  private flush(): void {
    if (this.pending.length === 0) return;
    const bytes = Buffer.concat(this.pending);
    this.pending = [];
    if (this.state.destination === 'skip') return;
    const { encoding } = this.state;
    const decoder = this.decoders.get(encoding) ?? new TextDecoder(encoding);
    this.decoders.set(encoding, decoder);
    this.write(decoder.decode(bytes));
  }

  private endParagraph(): void {
    const text = this.paragraph;
    this.paragraph = '';
    if (text.trim() !== '') {
      this.endTable();
      if (this.level !== null) this.document.heading(this.level, text);
      else this.document.block(this.listItem ? `- ${text.trim()}` : text);
    }
    this.writeNotes();
    // The mark belongs to one item; the next brings its own.
    this.listItem = false;
  }

  private endTable(): void {
    if (this.rows.length === 0) return;
    this.document.block(markdownTable(this.rows));
    this.rows = [];
    this.writeNotes();
  }

  private writeNotes(): void {
    // Those of a table wait for its end.
    if (this.rows.length > 0 || this.cells.length > 0) return;
    for (const note of this.notes) this.document.block(note);
    this.notes = [];
  }
}
