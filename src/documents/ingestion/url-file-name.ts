import { parse } from 'content-disposition';
import { DOCUMENT_TYPES, isGenericMediaType, typeOfMediaType } from './media-type.js';

/**
 * What a browser would save the answer of a URL as: the name that the site gives it, else the last part of the path, else the host; with the
 * extension of its media type where that names one of our types and the name does not end with it (`/about`, `/index.php`, `/wiki/File:Cat.jpg`).
 */
export function urlFileName(url: URL, headers: Pick<Headers, 'get'>): string {
  const name = nameGiven(headers.get('content-disposition')) ?? lastPart(url) ?? url.hostname;
  const mediaType = headers.get('content-type') ?? undefined;
  const type = isGenericMediaType(mediaType) ? null : typeOfMediaType(mediaType);
  if (type === null) return name;
  const extensions: readonly string[] = DOCUMENT_TYPES[type].extensions;
  return extensions.some((extension) => name.toLowerCase().endsWith(`.${extension}`)) ? name : `${name}.${extensions[0]}`;
}

function nameGiven(disposition: string | null): string | null {
  if (disposition === null) return null;
  try {
    return parse(disposition).parameters['filename'] || null;
  } catch (error) {
    // Sites send headers that no grammar knows; the path names the file as well.
    if (error instanceof TypeError) return null;
    throw error;
  }
}

function lastPart({ pathname }: URL): string | null {
  const part = pathname.split('/').findLast((each) => each !== '');
  if (part === undefined) return null;
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return part;
    throw error;
  }
}
