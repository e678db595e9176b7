import { createHash } from 'node:crypto';
import { Field, FixedSizeList, Float32, Int32, Schema, Table, Utf8, makeData, makeVector, vectorFromArray } from 'apache-arrow';
import { DISTANCES } from './vector-store.js';
import type { Distance, DocumentScope, VectorHit, VectorPoint, VectorQuery, VersionRange, VersionScope } from './vector-store.js';

/** What a file system takes, less the `.lance` of the directory. */
const MAX_TABLE_NAME = 200;

/** What LanceDB calls them. */
export const LANCEDB_DISTANCES = { cosine: 'cosine', dot: 'dot', euclidean: 'l2' } as const satisfies Record<Distance, string>;
/** In the metadata of a table's schema. */
const DISTANCE = 'distance';

/** The columns of a collection of vectors with `dimensions` numbers. */
export function schemaOf(dimensions: number, distance: Distance): Schema {
  return new Schema(fieldsOf(dimensions), new Map([[DISTANCE, distance]]));
}

function fieldsOf(dimensions: number): Field[] {
  return [
    new Field('id', new Utf8(), false),
    new Field('tenant_id', new Utf8(), false),
    new Field('document_id', new Utf8(), false),
    new Field('version', new Int32(), false),
    new Field('chunk_index', new Int32(), false),
    new Field('text', new Utf8(), false),
    new Field('vector', new FixedSizeList(dimensions, new Field('item', new Float32(), true)), false),
  ];
}

/** Tables from before there was a choice do not say it. */
export function distanceOf(schema: { metadata: ReadonlyMap<string, string> }): Distance {
  return DISTANCES.find((distance) => distance === schema.metadata.get(DISTANCE)) ?? 'cosine';
}

/** Reads the number of dimensions back from a stored table. */
export function dimensionsOf(schema: { fields: readonly { name: string; type: unknown }[] }): number {
  const type = schema.fields.find(({ name }) => name === 'vector')?.type;
  // LanceDB has its own copy of apache-arrow, so its types are no instances of ours.
  return (type as FixedSizeList).listSize;
}

/** Builds the vector column from one flat buffer: three times as fast as LanceDB's own conversion of rows. */
export function toArrow(points: readonly VectorPoint[], dimensions: number): Table {
  const flat = new Float32Array(points.length * dimensions);
  for (const [at, point] of points.entries()) flat.set(point.vector, at * dimensions);
  const child = makeData({ type: new Float32(), data: flat, length: flat.length });
  const type = new FixedSizeList(dimensions, new Field('item', new Float32(), true));
  const strings = (read: (point: VectorPoint) => string) => vectorFromArray(points.map(read), new Utf8());
  const numbers = (read: (point: VectorPoint) => number) => makeVector(Int32Array.from(points, read));
  return new Table(new Schema(fieldsOf(dimensions)), {
    id: strings((point) => point.id),
    tenant_id: strings((point) => point.tenantId),
    document_id: strings((point) => point.documentId),
    version: numbers((point) => point.version),
    chunk_index: numbers((point) => point.index),
    text: strings((point) => point.text),
    vector: makeVector(makeData({ type, length: points.length, nullCount: 0, child })),
  });
}

/** What a search selects. */
export interface Row {
  id: string;
  document_id: string;
  version: number;
  chunk_index: number;
  /** As LanceDB counts it: 0 to 2 by cosine. */
  _distance?: number;
  /** BM25. */
  _score?: number;
}

export function toHit(row: Row, score: number, scores: VectorHit['scores']): VectorHit {
  return { id: row.id, documentId: row.document_id, version: row.version, index: row.chunk_index, score, scores };
}

export function whereTenant(tenantId: string): string {
  return `tenant_id = ${quote(tenantId)}`;
}

export function whereDocument({ tenantId, documentId }: DocumentScope, { upTo, except = [] }: VersionRange = {}): string {
  const parts = [whereTenant(tenantId), `document_id = ${quote(documentId)}`];
  if (upTo !== undefined) parts.push(`version <= ${integer(upTo)}`);
  if (except.length > 0) parts.push(`version NOT IN (${except.map(integer).join(', ')})`);
  return parts.join(' AND ');
}

export function whereVersion(scope: VersionScope): string {
  return `${whereDocument(scope)} AND version = ${integer(scope.version)}`;
}

export function whereQuery({ tenantId, documentIds, excludeDocumentIds }: VectorQuery): string {
  const parts = [whereTenant(tenantId)];
  if (documentIds) parts.push(`document_id IN (${documentIds.map(quote).join(', ')})`);
  if (excludeDocumentIds?.length) parts.push(`document_id NOT IN (${excludeDocumentIds.map(quote).join(', ')})`);
  return parts.join(' AND ');
}

/** The collection's own name, or a shorter one that no collection can have, because of the dot. */
export function tableName(collection: string): string {
  if (collection.length <= MAX_TABLE_NAME) return collection;
  return `${collection.slice(0, 100)}.${createHash('sha256').update(collection).digest('hex')}`;
}

function quote(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

function integer(value: number): string {
  if (!Number.isSafeInteger(value)) throw new TypeError('a version is a whole number');
  return String(value);
}
