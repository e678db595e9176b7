import { v5 } from 'uuid';

/** The namespace of MoRAG's points; changing it would orphan every stored vector. */
const NAMESPACE = '6f0a4d5e-2f0b-5c1e-9a57-0d3f6b1c8e42';

/**
 * The same UUID (version 5, RFC 9562) for the same chunk in every run, so that ingesting twice overwrites.
 * @param documentId UUID
 */
export function pointId(documentId: string, version: number, index: number): string {
  return v5(`${documentId}/${version}/${index}`, NAMESPACE);
}
