import { readFileSync } from 'node:fs';
import addFormats from 'ajv-formats';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  enum?: unknown[];
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  items?: Schema;
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  required?: string[];
  allOf?: Schema[];
  oneOf?: Schema[];
  anyOf?: Schema[];
}

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  schema: Schema;
}

export interface Operation {
  /** As in the document, such as `GET /api/v1/jobs/{id}`. */
  route: string;
  method: string;
  path: string;
  parameters: Parameter[];
  body: { type: string; schema: Schema } | null;
  example: Record<string, unknown>;
  /** Media types by status; none where there is no body. */
  answers: Record<string, Record<string, { schema: Schema }>>;
  isPublic: boolean;
}

interface Document {
  paths: Record<string, Record<string, RawOperation>>;
  components: { schemas: Record<string, Schema> };
}

interface RawOperation {
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema: Schema; example?: Record<string, unknown> }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
  security: unknown[];
}

export const DOCUMENT = JSON.parse(readFileSync('openapi.json', 'utf8')) as Document;

export const OPERATIONS: readonly Operation[] = Object.entries(DOCUMENT.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, raw]) => {
    const [type, media] = Object.entries(raw.requestBody?.content ?? {})[0] ?? [];
    return {
      route: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      parameters: raw.parameters ?? [],
      body: type !== undefined && media ? { type, schema: media.schema } : null,
      example: media?.example ?? {},
      answers: Object.fromEntries(Object.entries(raw.responses).map(([status, { content }]) => [status, content ?? {}])),
      isPublic: raw.security.length === 0,
    };
  }),
);

/** The schema with what it refers to and is made of in the place of the references. */
export function resolved(schema: Schema): Schema {
  const { $ref, allOf, oneOf, anyOf, ...rest } = schema;
  const parts = [...($ref ? [DOCUMENT.components.schemas[$ref.split('/').at(-1)!]!] : []), ...(allOf ?? []), ...(oneOf ?? []), ...(anyOf ?? [])].map(resolved);
  if (parts.length === 0) return rest;
  const types = [rest, ...parts].flatMap(({ type }) => type ?? []);
  return [...parts, rest].reduce<Schema>((whole, part) => ({ ...whole, ...part, properties: { ...whole.properties, ...part.properties } }), { type: [...new Set(types)] });
}

/** What a schema says nothing of does not belong into an answer: a column that slipped out would be such a thing. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed);
  if (typeof node !== 'object' || node === null) return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]));
  return 'properties' in copy && 'type' in copy && !('additionalProperties' in copy) ? { ...copy, additionalProperties: false } : copy;
}

const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: true });
addFormats.default(ajv);
/** A problem has further members, by its kind. */
const { Problem, ...others } = DOCUMENT.components.schemas;
ajv.addSchema({ $id: 'openapi', components: { schemas: { ...(closed(others) as object), Problem } } });

const compiled = new Map<string, ValidateFunction>();
function validatorOf(schema: Schema): ValidateFunction {
  const text = JSON.stringify(closed(schema)).replaceAll('"#/components/', '"openapi#/components/');
  const validate = compiled.get(text) ?? ajv.compile(JSON.parse(text) as object);
  compiled.set(text, validate);
  return validate;
}

/** Why the value is not what the schema says; empty when it is. */
export function breachesOf(schema: Schema, value: unknown): string[] {
  const validate = validatorOf(schema);
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) => `${instancePath || 'the body'} ${message ?? ''} ${JSON.stringify(params)}`);
}
