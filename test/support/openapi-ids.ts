import { readFileSync } from 'node:fs';

interface Schema {
  $ref?: string;
  format?: string;
  items?: Schema;
  properties?: Record<string, Schema>;
  allOf?: Schema[];
  oneOf?: Schema[];
  anyOf?: Schema[];
}

interface Content {
  schema: Schema;
  example?: Record<string, unknown>;
}

interface Operation {
  parameters?: { in: string; name: string; schema?: Schema }[];
  requestBody?: { content: Record<string, Content> };
}

const OPENAPI = JSON.parse(readFileSync('openapi.json', 'utf8')) as { paths: Record<string, Record<string, Operation>>; components: { schemas: Record<string, Schema> } };

/** A field of a request that names something of a tenant's. */
export interface Reference {
  /** Method and pattern, such as `GET /api/v1/jobs/:id`. */
  route: string;
  place: 'query' | 'json' | 'form';
  /** Where in the query or body, such as `items[].database_id`. */
  field: string;
  by: 'id' | 'name';
  isList: boolean;
}

const NAMES_AN_ID = /(?:^|_)ids?$/;
/** Databases and collections are also known by their names. */
const NAMES_A_NAME = /(?:^|_)(?:databases?|collections?)$/;
/** What the fields of these are called is within a tenant's own vector database server, not of ours. */
const NAMES_NOTHING_OF_OURS = /^\w+ \/api\/v1\/database-servers\b/;

function resolve(schema: Schema): Schema {
  if (schema.$ref) return resolve(OPENAPI.components.schemas[schema.$ref.split('/').at(-1)!]!);
  const parts = [...(schema.allOf ?? []), ...(schema.oneOf ?? []), ...(schema.anyOf ?? [])].map(resolve);
  return parts.reduce<Schema>((whole, part) => ({ ...whole, ...part, properties: { ...whole.properties, ...part.properties } }), schema);
}

function howItNames(name: string, schema: Schema): 'id' | 'name' | null {
  const { format, items } = resolve(schema);
  if (format === 'uuid' || (items && resolve(items).format === 'uuid') || NAMES_AN_ID.test(name)) return 'id';
  return NAMES_A_NAME.test(name) ? 'name' : null;
}

type Found = Pick<Reference, 'field' | 'by' | 'isList'>;

function within(schema: Schema, path: readonly string[] = []): Found[] {
  return Object.entries(resolve(schema).properties ?? {}).flatMap(([name, property]) => {
    const by = howItNames(name, property);
    const { items } = resolve(property);
    if (by) return [{ field: [...path, name].join('.'), by, isList: items !== undefined }];
    return within(items ?? property, [...path, items ? `${name}[]` : name]);
  });
}

const routeOf = (method: string, path: string): string => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`;

const OPERATIONS = Object.entries(OPENAPI.paths).flatMap(([path, operations]) => Object.entries(operations).map(([method, operation]) => ({ route: routeOf(method, path), operation })));

export const DOCUMENTED_ROUTES: readonly string[] = OPERATIONS.map(({ route }) => route);

/** Every field of a query or body that carries ids, or names of databases, of every operation. */
export const REFERENCES: readonly Reference[] = OPERATIONS.filter(({ route }) => !NAMES_NOTHING_OF_OURS.test(route)).flatMap(({ route, operation }) => [
  ...(operation.parameters ?? [])
    .filter((parameter) => parameter.in === 'query')
    .flatMap(({ name, schema = {} }) => within({ properties: { [name]: schema } }).map((found) => ({ route, place: 'query' as const, ...found }))),
  ...Object.entries(operation.requestBody?.content ?? {}).flatMap(([type, { schema }]) =>
    within(schema).map((found) => ({ route, place: type.startsWith('multipart/') ? ('form' as const) : ('json' as const), ...found })),
  ),
]);

/** The body that the documentation shows, by route. */
export const EXAMPLES: Readonly<Record<string, Record<string, unknown>>> = Object.fromEntries(
  OPERATIONS.flatMap(({ route, operation }) => Object.values(operation.requestBody?.content ?? {}).flatMap(({ example }) => (example ? [[route, example] as const] : []))),
);

/** Every id in the answers, as `Schema.property`. */
export const IDS_IN_ANSWERS: readonly string[] = Object.entries(OPENAPI.components.schemas).flatMap(([name, schema]) =>
  Object.entries(schema.properties ?? {})
    .filter(([property, value]) => howItNames(property, value) === 'id')
    .map(([property]) => `${name}.${property}`),
);
