import type { Schemas } from '@qdrant/js-client-rest';

type Point = Omit<Schemas['PointStruct'], 'vector'> & { vector: Record<string, number[] | Schemas['SparseVector']> };
type Condition = Schemas['Condition'];

interface Collection {
  params: Schemas['CreateCollection'];
  indexes: Record<string, Schemas['PayloadSchemaParams']>;
  points: Map<string, Point>;
}

/** What Qdrant says no with. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * What Qdrant does with the requests of `QdrantStore`, after its documentation: exact, and small. It stands for the promises that do not depend on
 * an index: that the right points are there, are filtered and are measured as documented. What it has no answer to it refuses.
 */
export class QdrantModel {
  private readonly collections = new Map<string, Collection>();
  private operations = 0;
  /** How far a write has come when it is answered. */
  updateStatus: Schemas['UpdateStatus'] = 'completed';

  get names(): string[] {
    return [...this.collections.keys()];
  }

  has(name: string): boolean {
    return this.collections.has(name);
  }

  create(name: string, params: Schemas['CreateCollection']): boolean {
    if (this.has(name)) throw new Refusal(409, `Wrong input: Collection \`${name}\` already exists!`);
    this.collections.set(name, { params, indexes: {}, points: new Map() });
    return true;
  }

  drop(name: string): boolean {
    return this.collections.delete(name);
  }

  info(name: string): Schemas['CollectionInfo'] {
    const { params, indexes, points } = this.of(name);
    const { vectors, sparse_vectors } = params;
    return {
      status: 'green',
      optimizer_status: 'ok',
      points_count: points.size,
      segments_count: 1,
      config: {
        params: { ...(vectors ? { vectors } : {}), ...(sparse_vectors ? { sparse_vectors } : {}) },
        hnsw_config: { m: 16, ef_construct: 100, full_scan_threshold: 10_000, ...(params.hnsw_config as Partial<Schemas['HnswConfig']> | undefined) },
        optimizer_config: { deleted_threshold: 0.2, vacuum_min_vector_number: 1000, default_segment_number: 2, flush_interval_sec: 5 },
      },
      payload_schema: Object.fromEntries(Object.entries(indexes).map(([field, index]) => [field, { data_type: index.type, params: index, points: points.size }])),
    };
  }

  /** As if their creator had died before they were there. */
  forgetIndexes(name: string): void {
    this.of(name).indexes = {};
  }

  createIndex(name: string, { field_name, field_schema }: Schemas['CreateFieldIndex']): Schemas['UpdateResult'] {
    this.of(name).indexes[field_name] = field_schema as Schemas['PayloadSchemaParams'];
    return this.result();
  }

  /** One operation after the other: what came before one that is refused stays. */
  update(name: string, operations: Schemas['UpdateOperation'][]): Schemas['UpdateResult'][] {
    const { points, params } = this.of(name);
    return operations.map((operation) => {
      if ('upsert' in operation && 'points' in operation.upsert) {
        const upserted = operation.upsert.points as Point[];
        for (const point of upserted) requireVectors(params, point.vector);
        for (const point of upserted) points.set(String(point.id), point);
      } else if ('delete' in operation && 'filter' in operation.delete) {
        for (const point of matching(points, operation.delete.filter)) points.delete(String(point.id));
      } else throw new Refusal(501, 'the model knows no such operation');
      return this.result();
    });
  }

  count(name: string, { filter }: Schemas['CountRequest']): Schemas['CountResult'] {
    return { count: matching(this.of(name).points, filter as Schemas['Filter']).length };
  }

  query(name: string, { query, using, filter, limit, with_payload, params }: Schemas['QueryRequest']): Schemas['QueryResponse'] {
    const collection = this.of(name);
    const candidates = matching(collection.points, filter as Schemas['Filter']);
    const measure = Array.isArray(query) ? denseMeasure(collection, using ?? '', query as number[]) : sparseMeasure(collection, using ?? '', query as Schemas['SparseVector'], params);
    const points = candidates
      .flatMap((point) => {
        const score = measure.of(point);
        return score === undefined ? [] : [{ id: point.id, version: 1, score: Math.fround(score), payload: only(point.payload, with_payload as string[]) }];
      })
      // Nothing is promised about the order of equal scores, so it is an inconvenient one.
      .sort((a, b) => measure.direction * (b.score - a.score) || (String(a.id) < String(b.id) ? 1 : -1));
    return { points: points.slice(0, limit ?? 10) };
  }

  private of(name: string): Collection {
    const collection = this.collections.get(name);
    if (!collection) throw new Refusal(404, `Not found: Collection \`${name}\` doesn't exist!`);
    return collection;
  }

  private result(): Schemas['UpdateResult'] {
    return { operation_id: this.operations++, status: this.updateStatus };
  }
}

interface Measure {
  /** 1 when the highest score is the best. */
  direction: 1 | -1;
  /** undefined for what is not found at all */
  of: (point: Point) => number | undefined;
}

function denseMeasure({ params }: Collection, name: string, query: number[]): Measure {
  requireVectors(params, { [name]: query });
  const { distance } = (params.vectors as Record<string, Schemas['VectorParams']>)[name]!;
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, at) => sum + value * b[at]!, 0);
  const length = (vector: readonly number[]) => Math.sqrt(dot(vector, vector)) || 1;
  const measures: Partial<Record<Schemas['Distance'], (vector: number[]) => number>> = {
    Cosine: (vector) => dot(vector, query) / length(vector) / length(query),
    Dot: (vector) => dot(vector, query),
    Euclid: (vector) => Math.hypot(...vector.map((value, at) => value - query[at]!)),
  };
  return { direction: distance === 'Euclid' ? -1 : 1, of: ({ vector }) => measures[distance]!(vector[name] as number[]) };
}

/** `ln((N - n + 0.5) / (n + 0.5) + 1)` of all points of the collection, or of the corpus. */
function sparseMeasure({ params, points }: Collection, name: string, query: Schemas['SparseVector'], options: Schemas['QueryRequest']['params']): Measure {
  if (params.sparse_vectors?.[name]?.modifier !== 'idf') throw new Refusal(400, `Wrong input: Not existing vector name error: ${name}`);
  const { corpus } = (options as { idf?: Schemas['IdfCorpusParams'] } | undefined)?.idf ?? {};
  const population = corpus ? matching(points, corpus) : [...points.values()];
  const weights = query.indices.map((index, at) => {
    const having = population.filter(({ vector }) => (vector[name] as Schemas['SparseVector'] | undefined)?.indices.includes(index)).length;
    return query.values[at]! * Math.log((population.length - having + 0.5) / (having + 0.5) + 1);
  });
  return {
    direction: 1,
    of: ({ vector }) => {
      const { indices, values } = (vector[name] as Schemas['SparseVector'] | undefined) ?? { indices: [], values: [] };
      const places = query.indices.map((index) => indices.indexOf(index));
      return places.every((place) => place === -1) ? undefined : places.reduce((sum, place, at) => sum + (place === -1 ? 0 : values[place]! * weights[at]!), 0);
    },
  };
}

function requireVectors(params: Schemas['CreateCollection'], vectors: Point['vector']): void {
  for (const [name, vector] of Object.entries(vectors)) {
    if (Array.isArray(vector)) {
      const size = (params.vectors as Record<string, Schemas['VectorParams']> | undefined)?.[name]?.size;
      if (size === undefined) throw new Refusal(400, `Wrong input: Not existing vector name error: ${name}`);
      if (size !== vector.length) throw new Refusal(400, `Wrong input: Vector dimension error: expected dim: ${size}, got ${vector.length}`);
    } else {
      if (!params.sparse_vectors?.[name]) throw new Refusal(400, `Wrong input: Not existing vector name error: ${name}`);
      if (vector.indices.length !== vector.values.length || new Set(vector.indices).size !== vector.indices.length) throw new Refusal(422, 'Validation error: indices must be unique, and as many as values');
    }
  }
}

function matching(points: ReadonlyMap<string, Point>, filter: Schemas['Filter']): Point[] {
  return [...points.values()].filter((point) => passes(point, filter));
}

function passes(point: Point, { must, must_not, should, min_should }: Schemas['Filter']): boolean {
  if (should || min_should) throw new Refusal(501, 'the model knows no "should"');
  const each = (conditions: Schemas['Filter']['must']) => [conditions ?? []].flat() as Condition[];
  return each(must).every((condition) => holds(point, condition)) && !each(must_not).some((condition) => holds(point, condition));
}

function holds(point: Point, condition: Condition): boolean {
  if ('has_id' in condition) return condition.has_id.includes(point.id);
  if (!('key' in condition)) throw new Refusal(501, 'the model knows no such condition');
  const { key, match, range } = condition;
  const value = (point.payload as Record<string, string | number>)[key]!;
  if (match && 'value' in match) return match['value'] === value;
  if (match && 'any' in match) return (match['any'] as (string | number)[]).includes(value);
  if (range && 'lte' in range) return Number(value) <= (range['lte'] as number);
  throw new Refusal(501, 'the model knows no such condition');
}

function only(payload: Schemas['PointStruct']['payload'], fields: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(payload ?? {}).filter(([field]) => fields.includes(field)));
}
