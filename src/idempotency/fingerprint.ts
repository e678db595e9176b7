import { createHash } from 'node:crypto';
import { MalformedRequest } from '../common/request-errors.js';
import { isNestedDeeperThan, MAX_DEPTH } from '../common/validation.js';

/** What makes two requests the same one. */
export interface RequestFacts {
  method: string;
  /** The route's pattern; what stands in its place is in `params`. */
  route: string;
  params: unknown;
  query: unknown;
  body: unknown;
  /**
   * What the credential may reach, null being everything. Part of the request, since an answer tells of what its credential could see: one that
   * is bound to other databases must not be told it.
   */
  databaseIds: readonly string[] | null;
}

const inOrder = (_: string, value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
};

/** SHA-256 over JSON whose members are sorted: white space and the order of fields make no difference. @throws MalformedRequest when nested too deep to be walked */
export function fingerprintOf({ databaseIds, ...facts }: RequestFacts): Buffer {
  if (isNestedDeeperThan(MAX_DEPTH, facts.body)) throw new MalformedRequest(`The body is nested more than ${MAX_DEPTH} deep.`);
  const text = JSON.stringify({ ...facts, databaseIds: databaseIds && databaseIds.toSorted((a, b) => (a < b ? -1 : 1)) }, inOrder);
  return createHash('sha256').update(text).digest();
}
