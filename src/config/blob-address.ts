/** Where original files are kept, as `BLOB_STORE` says it. */
export type BlobPlace = DirectoryPlace | BucketPlace;

export interface DirectoryPlace {
  kind: 'directory';
  directory: URL;
}

export interface BucketPlace {
  kind: 's3';
  bucket: string;
  /** What every key begins with; empty, or with a slash at its end. */
  prefix: string;
  /** Unset: what the environment of the process says. */
  region: string | undefined;
  /** Unset: Amazon's. */
  endpoint: string | undefined;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  isPathStyle: boolean;
}

const BUCKET = /^[a-z\d][a-z\d.-]{1,61}[a-z\d]$/;
/** Characters that every store takes in a key, and that mean nothing else in an address. */
const PREFIX = /^[\w.-]+(?:\/[\w.-]+)*$/;
const PARAMETERS = ['region', 'endpoint', 'path_style'];

const isHttp = (text: string): boolean => URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol) && new URL(text).pathname === '/';

function readBucket({ hostname: bucket, port, username, pathname, hash, searchParams }: URL): BucketPlace | null {
  const prefix = pathname.replace(/^\/|\/$/g, '');
  const endpoint = searchParams.get('endpoint') ?? undefined;
  const pathStyle = searchParams.get('path_style') ?? String(endpoint !== undefined);
  const isKnown = [...searchParams.keys()].every((name) => PARAMETERS.includes(name)) && port + username + hash === '' && ['true', 'false'].includes(pathStyle);
  if (!isKnown || !BUCKET.test(bucket) || (prefix !== '' && !PREFIX.test(prefix)) || (endpoint !== undefined && !isHttp(endpoint))) return null;
  return { kind: 's3', bucket, prefix: prefix === '' ? '' : `${prefix}/`, region: searchParams.get('region') ?? undefined, endpoint, isPathStyle: pathStyle === 'true' };
}

/** Null when it is no such address. Credentials have no place in it: it is shown and logged. */
export function readBlobAddress(text: string): BlobPlace | null {
  if (!URL.canParse(text)) return null;
  if (/^file:\/\/\/(?!.*%2f)/i.test(text)) return { kind: 'directory', directory: new URL(text) };
  return text.startsWith('s3://') ? readBucket(new URL(text)) : null;
}
