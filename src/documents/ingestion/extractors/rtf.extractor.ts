import { TextDecoder } from 'node:util';
import { cleanTitle, type ExtractedDocument } from '../extracted-document.js';
import { ExtractionFailed } from '../extraction-failed.js';
import { encodingOfCharset, encodingOfCodePage } from './rtf-encodings.js';
import { RtfLayout } from './rtf-layout.js';
import { rtfTokens } from './rtf-tokens.js';
import { CHARACTERS, DESTINATIONS, STARRED_TEXT, type Destination } from './rtf-words.js';

const MAX_DEPTH = 1000;

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

/** Follows the groups: what their text is for, and in which encoding it is. */
class RtfReader {
  private readonly layout = new RtfLayout();
  private readonly groups: State[] = [];
  private state: State = { destination: 'text', hidden: false, encoding: 'windows-1252', fallback: 1, defined: null };
  /** Bytes of one encoding that may be halves of characters. */
  private pending: Uint8Array[] = [];
  private info = { title: '', author: '' };
  private documentEncoding = 'windows-1252';
  private readonly fontEncodings = new Map<number, string>();
  private readonly decoders = new Map<string, TextDecoder>();
  private note = '';
  /** Characters still to be skipped behind a `\u`. */
  private skipping = 0;
  private starred = false;
  private groupBegins = false;

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
      this.layout.endNote(this.note);
      this.note = '';
    }
    this.state = outer;
    [this.groupBegins, this.skipping] = [false, 0];
  }

  private finish(): ExtractedDocument {
    const author = cleanTitle(this.info.author);
    return this.layout.toDocument(cleanTitle(this.info.title), author === null ? {} : { author });
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
    if (word === 'listtext' || word === 'pntext') this.layout.beginListItem();
    // The Unicode half of a pair (`\upr`) whose other half is skipped.
    if (word === 'ud') this.state.destination = 'text';
    if (this.state.destination === 'skip') return;
    const destination = DESTINATIONS.get(word);
    if (destination === 'note') this.layout.beginNote();
    if (destination !== undefined) this.state.destination = destination;
    else if (this.starred && !STARRED_TEXT.has(word)) this.state.destination = 'skip';
    this.starred = false;
  }

  private define(word: string, parameter: number | null): void {
    if (parameter === null) return;
    if (word === (this.state.destination === 'fonts' ? 'f' : 's')) this.state.defined = parameter;
    if (this.state.defined === null) return;
    if (word === 'outlinelevel' && parameter < 9) this.layout.styleLevels.set(this.state.defined, parameter + 1);
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
        if (this.state.destination === 'text') this.layout.control(word, parameter);
        // A note may have paragraphs, but they are not those of the page.
        else if (word === 'par') this.write(' ');
    }
  }

  private write(text: string): void {
    const { destination, hidden } = this.state;
    if (destination === 'title' || destination === 'author') this.info[destination] += text;
    else if (destination === 'note' && !hidden) this.note += text;
    else if (destination === 'text' && !hidden) this.layout.write(text);
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
}
