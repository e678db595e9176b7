import { TextDecoder } from 'node:util';
import { SaxesParser, type SaxesTagPlain } from 'saxes';
import { ExtractionFailed } from '../extraction-failed.js';
import type { ZipArchive } from './zip-archive.js';

const MAX_DEPTH = 256;
const MAX_NODES = 2_000_000;

export interface XmlHandlers {
  /** `name` is the local name: producers are free in their prefixes. */
  open?(name: string, attributes: Record<string, string>): void;
  text?(text: string): void;
  close?(name: string): void;
}

export interface XmlElement {
  /** Without its prefix. */
  name: string;
  /** As they are written, with prefixes. */
  attributes: Record<string, string>;
  children: (XmlElement | string)[];
}

/**
 * Reads a part of a package piece by piece, so that a sheet of 200 MB needs the memory of a row. Knows the five entities of XML and no DTD.
 *
 * @throws {ExtractionFailed} `corrupt_file`, `archive_limits`.
 */
export async function parseXml(archive: ZipArchive, part: string, handlers: XmlHandlers): Promise<void> {
  const parser = new SaxesParser();
  let depth = 0;
  parser.on('doctype', () => {
    throw new ExtractionFailed('corrupt_file', 'A part of the archive contains a DTD.');
  });
  parser.on('opentag', (tag: SaxesTagPlain) => {
    if ((depth += 1) > MAX_DEPTH) throw new ExtractionFailed('corrupt_file', 'A part of the archive is nested too deeply.');
    handlers.open?.(localName(tag.name), tag.attributes);
  });
  parser.on('text', (content) => handlers.text?.(content));
  parser.on('cdata', (content) => handlers.text?.(content));
  parser.on('closetag', (tag: SaxesTagPlain) => {
    depth -= 1;
    handlers.close?.(localName(tag.name));
  });
  // Thrown from here, or the parser would go on and guess.
  parser.on('error', (error) => {
    throw new ExtractionFailed('corrupt_file', 'A part of the archive is no well-formed XML.', { cause: error });
  });
  let decoder: TextDecoder | null = null;
  for await (const piece of archive.pieces(part)) {
    decoder ??= new TextDecoder(encodingOf(piece));
    parser.write(decoder.decode(piece, { stream: true }));
  }
  parser.write(decoder?.decode() ?? '').close();
}

/** A small part as a tree: relationships, a slide, the text of a book. */
export async function readXmlTree(archive: ZipArchive, part: string): Promise<XmlElement> {
  const document: XmlElement = { name: '', attributes: {}, children: [] };
  const path = [document];
  let nodes = 0;
  const add = (child: XmlElement | string) => {
    if ((nodes += 1) > MAX_NODES) throw new ExtractionFailed('archive_limits', 'The archive exceeds what is unpacked: too many elements.');
    path.at(-1)!.children.push(child);
  };
  await parseXml(archive, part, {
    open: (name, attributes) => {
      const element = { name, attributes, children: [] };
      add(element);
      path.push(element);
    },
    text: add,
    close: () => path.pop(),
  });
  return elementsOf(document)[0]!;
}

export function elementsOf({ children }: XmlElement, name?: string): XmlElement[] {
  return children.filter((child): child is XmlElement => typeof child !== 'string' && (name === undefined || child.name === name));
}

/** The child that `path` leads to. */
export function childAt(element: XmlElement, ...path: string[]): XmlElement | undefined {
  return path.reduce<XmlElement | undefined>((at, name) => (at === undefined ? undefined : elementsOf(at, name)[0]), element);
}

/** All elements of that name below, in document order, but none within another one. */
export function descendants(element: XmlElement, name: string): XmlElement[] {
  return elementsOf(element).flatMap((child) => (child.name === name ? [child] : descendants(child, name)));
}

export function textOf(element: XmlElement | undefined): string {
  return element?.children.map((child) => (typeof child === 'string' ? child : textOf(child))).join('') ?? '';
}

/** The attribute `…:name`: OpenDocument's always have a prefix, and `r:id` is another one than `id`. */
export function prefixed(attributes: Record<string, string>, name: string): string | undefined {
  const key = Object.keys(attributes).find((written) => written.endsWith(`:${name}`));
  return key === undefined ? undefined : attributes[key];
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}

/** XML knows UTF-16 by its byte order mark (XML 1.0, appendix F); Office writes no other encoding but UTF-8. */
function encodingOf(beginning: Buffer): string {
  if (beginning[0] === 0xff && beginning[1] === 0xfe) return 'utf-16le';
  return beginning[0] === 0xfe && beginning[1] === 0xff ? 'utf-16be' : 'utf-8';
}
