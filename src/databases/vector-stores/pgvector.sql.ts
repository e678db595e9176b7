import { createHash } from 'node:crypto';
import type { Distance, DocumentScope, VectorPoint, VectorQuery, VersionRange } from './vector-store.js';
import { wordsOf } from './words.js';

/** PostgreSQL cuts longer identifiers without an error. */
const MAX_IDENTIFIER = 63;
/** Half of what a tsvector may hold: words, their quotes and commas. */
const MAX_WORDS_BYTES = 500_000;
const [MAX_POSITION, MAX_POSITIONS] = [16_383, 255];
/** Of `vector` and of `halfvec`; columns may have 16,000. */
const [MAX_INDEXED, MAX_INDEXED_HALF] = [2000, 4000];

const KINDS = {
  cosine: { operator: '<=>', classOf: 'cosine_ops' },
  dot: { operator: '<#>', classOf: 'ip_ops' },
  euclidean: { operator: '<->', classOf: 'l2_ops' },
} as const satisfies Record<Distance, unknown>;

/** What is known of a collection from its table; the name stands in the comment, since a table's own may be cut. */
export interface Collection {
  table: string;
  dimensions: number;
  distance: Distance;
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The collection's own name, or a shorter one that no collection can have, because of the dot. */
export function tableName(collection: string): string {
  if (collection.length <= MAX_IDENTIFIER) return collection;
  return `${collection.slice(0, 30)}.${createHash('sha256').update(collection).digest('hex').slice(0, 32)}`;
}

/** An expression that an index may serve: half as many bytes a number where whole ones do not fit into its page, nothing above that. */
function indexed(dimensions: number): { expression: string; type: string; prefix: string } | undefined {
  if (dimensions <= MAX_INDEXED) return { expression: 'embedding', type: 'vector', prefix: 'vector' };
  if (dimensions > MAX_INDEXED_HALF) return undefined;
  const type = `halfvec(${dimensions})`;
  return { expression: `embedding::${type}`, type, prefix: 'halfvec' };
}

/**
 * One table a collection. `words` is written by us and not generated: PostgreSQL's configurations know one language each, and none of them a
 * script without spaces.
 */
export function createTable({ table, dimensions, distance }: Collection, comment: string): string[] {
  const index = indexed(dimensions);
  return [
    `CREATE TABLE ${table} (
      tenant_id text COLLATE "C" NOT NULL,
      document_id text COLLATE "C" NOT NULL,
      version integer NOT NULL,
      chunk_index integer NOT NULL,
      id uuid NOT NULL,
      text text NOT NULL,
      words tsvector NOT NULL,
      embedding vector(${dimensions}) NOT NULL,
      PRIMARY KEY (tenant_id, document_id, version, id)
    )`,
    `CREATE INDEX ON ${table} USING gin (words)`,
    ...(index ? [`CREATE INDEX ON ${table} USING hnsw ((${index.expression}) ${index.prefix}_${KINDS[distance].classOf})`] : []),
    // A utility statement takes no parameters.
    `COMMENT ON TABLE ${table} IS '${comment.replaceAll("'", "''")}'`,
  ];
}

export function insertPoints(table: string): string {
  return `INSERT INTO ${table} (tenant_id, document_id, version, chunk_index, id, text, words, embedding)
    SELECT $1, $2, $3, chunk_index, id, text, words::tsvector, embedding::vector
    FROM unnest($4::integer[], $5::uuid[], $6::text[], $7::text[], $8::text[]) AS point (chunk_index, id, text, words, embedding)`;
}

/** The columns of some points, for `insertPoints`. */
export function columnsOf(points: readonly VectorPoint[]): unknown[][] {
  return [
    points.map(({ index }) => index),
    points.map(({ id }) => id),
    // The one character that a PostgreSQL text cannot hold.
    points.map(({ text }) => text.replaceAll('\0', '\uFFFD')),
    points.map(({ text }) => wordVector(text)),
    points.map(({ vector }) => vectorLiteral(vector)),
  ];
}

export function vectorLiteral(vector: Float32Array): string {
  return `[${vector.join(',')}]`;
}

/** Words consist of letters and digits, so quotes are all that a literal needs. */
export function wordQuery(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(' | ');
}

function wordVector(text: string): string {
  const positions = new Map<string, number[]>();
  for (const [at, word] of wordsOf(text).entries()) {
    const known = positions.get(word);
    if (!known) positions.set(word, [Math.min(at + 1, MAX_POSITION)]);
    else if (known.length < MAX_POSITIONS) known.push(Math.min(at + 1, MAX_POSITION));
  }
  let left = MAX_WORDS_BYTES;
  const lexemes = [...positions].map(([word, found]) => `'${word}':${found.join(',')}`);
  return lexemes.filter((lexeme) => (left -= Buffer.byteLength(lexeme)) > 0).join(' ');
}

export function whereDocument({ tenantId, documentId }: DocumentScope, { upTo, except }: VersionRange): Filter {
  return { sql: 'tenant_id = $1 AND document_id = $2 AND ($3::integer IS NULL OR version <= $3) AND version <> ALL ($4::integer[])', values: [tenantId, documentId, upTo, except ?? []] };
}

/** A condition and its parameters, which are a statement's first. */
export interface Filter {
  sql: string;
  values: unknown[];
}

export function whereQuery({ tenantId, documentIds, excludeDocumentIds }: VectorQuery): Filter {
  const filter: Filter = { sql: 'tenant_id = $1', values: [tenantId] };
  if (documentIds) filter.sql += ` AND document_id = ANY ($${filter.values.push(documentIds)}::text[])`;
  if (excludeDocumentIds?.length) filter.sql += ` AND document_id <> ALL ($${filter.values.push(excludeDocumentIds)}::text[])`;
  return filter;
}

const HIT = 'id, document_id, version, chunk_index';

/** Reads every vector of the filter. `$n` = vector, `$n+1` = limit, behind the filter's. */
export function exactNearest({ table, distance }: Collection, { sql, values: { length } }: Filter): string {
  // Materialised, or the planner may take the order from the index, which is approximate.
  return `WITH measured AS MATERIALIZED (
      SELECT ${HIT}, embedding ${KINDS[distance].operator} $${length + 1}::vector AS distance FROM ${table} WHERE ${sql}
    ) SELECT * FROM measured ORDER BY distance, id LIMIT $${length + 2}`;
}

/** Follows the HNSW index; parameters as of `exactNearest`. Undefined where there is no index. */
export function indexedNearest({ table, dimensions, distance }: Collection, { sql, values: { length } }: Filter): string | undefined {
  const index = indexed(dimensions);
  if (!index) return undefined;
  const { operator } = KINDS[distance];
  // The inner order is relaxed and may be that of half precision; the outer one is exact.
  return `WITH candidates AS MATERIALIZED (
      SELECT ${HIT}, embedding ${operator} $${length + 1}::vector AS distance FROM ${table} WHERE ${sql}
      ORDER BY (${index.expression}) ${operator} $${length + 1}::${index.type} LIMIT $${length + 2}
    ) SELECT * FROM candidates ORDER BY distance, id`;
}

/** Answers `total`, the tenant's points, and `found`, those among them that hold each of `$2`. */
export function wordFrequencies(table: string): string {
  return `SELECT (SELECT count(*)::integer FROM ${table} WHERE tenant_id = $1) AS total,
    ARRAY(
      SELECT (SELECT count(*) FROM ${table} WHERE tenant_id = $1 AND words @@ word.query::tsquery)::integer
      FROM unnest($2::text[]) WITH ORDINALITY AS word (query, at) ORDER BY word.at
    ) AS found`;
}

/**
 * Sums over the words how often each occurs (saturating, weighed by the text's length) times how rare it is, as BM25 does; PostgreSQL's own
 * ranks know nothing of rarity, so that "how do I" would outweigh what is asked for. `$n` = query that selects, `$n+1` = words, `$n+2` =
 * their weights, `$n+3` = limit.
 */
export function matching(table: string, { sql, values: { length } }: Filter): string {
  return `SELECT ${HIT}, (
      SELECT sum(ts_rank(words, word.query::tsquery, 1) * word.weight)
      FROM unnest($${length + 2}::text[], $${length + 3}::float8[]) AS word (query, weight)
    ) AS score
    FROM ${table} WHERE ${sql} AND words @@ $${length + 1}::tsquery
    ORDER BY score DESC, id LIMIT $${length + 4}`;
}
