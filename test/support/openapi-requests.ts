import fc from 'fast-check';
import { resolved, type Operation, type Schema } from './openapi-operations.js';

/** What is asked for, before ids are put into the place of `{{kind}}` and the like. */
export interface FuzzRequest {
  /** Values of the path, by name. */
  path: Record<string, string>;
  query: [name: string, value: string][];
  headers: Record<string, string>;
  contentType: string;
  /** JSON as text, so that it can be what no serialiser writes; form fields for a form; null for none. */
  body: string | [name: string, value: string][] | null;
}

/** Written into JSON text, where a serialiser has nothing to say it with. */
const RAW = ['1e999', '-1e999', '-0', '1E-400', '9007199254740993', '123456789012345678901234567890', '"\\ud800"', '"\\u0000"', '"\\udc00x"'];
const rawMark = (text: string): string => `@@${Buffer.from(text).toString('hex')}@@`;
const withRaw = (json: string): string => json.replaceAll(/"@@([0-9a-f]+)@@"/g, (_, hex: string) => Buffer.from(hex, 'hex').toString());

const ODD_TEXTS = [
  '', ' ', 'null', 'undefined', 'true', '0', '-1', 'NaN', 'Infinity', '1e5', 'a\0b', '\ud800', '\u202e\u2066x', '\uFEFF', 'é'.repeat(300), 'x'.repeat(5000), '🏳️‍🌈', "' OR 1=1 --", '"; DROP TABLE documents; --',
  '%00', '../../etc/passwd', '{{7*7}}', '$' + '{7*7}', '<script>alert(1)</script>', '\r\nX: y', '%', '_', '\\', '%s%n', '0000-01-01', '275760-09-13', '9999-12-31T23:59:59.999999999+14:00', '2024-02-30', '0000-00-00T00:00:00Z',
  '::ffff:127.0.0.1', '1.2.3.4/33', '01.2.3.4', 'http://127.0.0.1:1/', 'http://[::1]/', 'http://nowhere.invalid/', 'file:///etc/passwd', 'javascript:alert(1)', 'http://user:pass@nowhere.invalid/', 'http://\u0000', 'data:,x',
  '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '*', '[]', '{}', '"', 'mk_live_' + 'a'.repeat(38), 'a@b.c', 'ｆｕｌｌ@example.com',
];
const ODD_KEYS = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '', '$eq', '$and', '$where', 'a.b', '0', 'length', 'x'.repeat(300), '\ud800', 'a\0'];

const oddText = fc.oneof(fc.constantFrom(...ODD_TEXTS), fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 40 }));
const keyName = fc.oneof({ weight: 3, arbitrary: fc.string({ minLength: 1, maxLength: 12 }) }, { weight: 1, arbitrary: fc.constantFrom(...ODD_KEYS) });

const object = (pairs: [string, unknown][]): unknown => {
  const made: Record<string, unknown> = {};
  // By assignment `__proto__` would be lost.
  for (const [key, value] of pairs) Object.defineProperty(made, key, { value, enumerable: true, configurable: true, writable: true });
  return made;
};

const { anything } = fc.letrec<{ anything: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(fc.constantFrom<unknown>(null, true, false, 0, -1, 0.5, 1e308, 2 ** 31, 2 ** 53), oddText, fc.constantFrom(...RAW.map(rawMark)), fc.double(), fc.integer()),
  anything: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 4, arbitrary: tie('leaf') },
    { weight: 1, arbitrary: fc.array(tie('anything'), { maxLength: 4 }) },
    { weight: 1, arbitrary: fc.array(fc.tuple(keyName, tie('anything')), { maxLength: 4 }).map(object) },
  ),
}));

/** Filters of a search, right and nearly right. */
const filterField = fc.oneof(fc.constantFrom('type', 'title', 'created_at', 'year', 'tags', 'metadata.title', 'a.b'), keyName);
const operator = fc.constantFrom('$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$exists', '$regex');
const operand = fc.oneof(fc.constantFrom<unknown>('pdf', 'md', '2024-01-01', 2024, true, null, []), fc.array(fc.constantFrom<unknown>('pdf', 1, 'x', true), { maxLength: 3 }), anything);
const { filter } = fc.letrec<{ filter: unknown }>((tie) => ({
  filter: fc.oneof(
    { depthSize: 'small' },
    fc.tuple(filterField, operand).map(([field, value]) => object([[field, value]])),
    fc.tuple(filterField, operator, operand).map(([field, name, value]) => object([[field, object([[name, value]])]])),
    fc.tuple(fc.constantFrom('$and', '$or'), fc.array(tie('filter'), { maxLength: 3 })).map((pair) => object([pair])),
    tie('filter').map((inner) => object([['$not', inner]])),
  ),
}));

function text(name: string, schema: Schema): fc.Arbitrary<unknown> {
  if (schema.format === 'uuid') return fc.oneof({ weight: 8, arbitrary: fc.constant(`{{${name}}}`) }, { weight: 1, arbitrary: fc.constantFrom('{{foreign}}', '{{unknown}}') });
  if (schema.format === 'date-time') return fc.date({ min: new Date('1970-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }).map((date) => date.toISOString());
  if (schema.format === 'email' || /email/.test(name)) return fc.constantFrom('ada@example.com', 'nobody@example.org');
  if (/url|avatar/.test(name)) return fc.constantFrom('http://nowhere.invalid/', 'http://127.0.0.1:1/x', 'https://[::1]/');
  if (name === 'host') return fc.constantFrom('127.0.0.1', 'nowhere.invalid', 'localhost');
  if (name === 'password' || name === 'new_password') return fc.constantFrom('correct-horse-battery', 'another-fine-password');
  if (/^(databases?|default_database)$/.test(name)) return fc.constantFrom('default', 'nothing');
  if (/ips?$/.test(name)) return fc.constantFrom('10.0.0.0/8', '::1', '192.0.2.7');
  const maxLength = Math.min(schema.maxLength ?? 60, 60);
  if (schema.pattern?.startsWith('^')) return fc.stringMatching(new RegExp(schema.pattern, 'u'), { maxLength });
  return fc.oneof(fc.string({ minLength: schema.minLength ?? 0, maxLength }), fc.string({ unit: 'grapheme', minLength: schema.minLength ?? 0, maxLength: Math.min(maxLength, 20) }), fc.constantFrom('alpha', 'a title', 'Text of a document.'));
}

/** Values that fit a schema as far as it is written down; what it does not say, the server may still refuse. */
function fitting(name: string, given: Schema): fc.Arbitrary<unknown> {
  const schema = resolved(given);
  const types = [schema.type ?? 'object'].flat();
  const type = types.find((each) => each !== 'null');
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const orNull = (arbitrary: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => (types.includes('null') ? fc.oneof({ weight: 5, arbitrary }, { weight: 1, arbitrary: fc.constant(null) }) : arbitrary);
  if (name === 'filter') return filter;
  if (type === 'string') return orNull(text(name, schema));
  if (type === 'boolean') return orNull(fc.boolean());
  if (type === 'integer' || type === 'number') return orNull(fc.integer({ min: schema.minimum ?? 0, max: Math.max(schema.minimum ?? 0, Math.min(schema.maximum ?? 1000, 2 ** 31 - 1)) }));
  if (type === 'array') return orNull(fc.array(fitting(name.replace(/s$/, ''), schema.items ?? {}), { minLength: Math.min(schema.minItems ?? 0, 1), maxLength: 3 }));
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length === 0) return orNull(fc.array(fc.tuple(keyName, anything), { maxLength: 3 }).map(object));
  // Each optional field is seldom there: of many at once, one would spoil nearly every body.
  const members = properties.map(([key, property]) => {
    const member = fitting(key, property).map((value): [string, unknown][] => [[key, value]]);
    return schema.required?.includes(key) ? member : fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: member });
  });
  return orNull(fc.tuple(...members).map((pairs) => object(pairs.flat())));
}

/** One field, at any depth, becomes something else, goes or comes. */
function mutated(value: unknown, steps: number[], by: unknown): unknown {
  const [step = 0, ...rest] = steps;
  if (typeof value !== 'object' || value === null || steps.length === 0) return by;
  const entries = Object.entries(value);
  if (Array.isArray(value)) return value.length === 0 ? [by] : value.map((item: unknown, index) => (index === step % value.length ? mutated(item, rest, by) : item));
  const at = step % (entries.length + 2);
  if (at === entries.length) return object([...entries, ['unknown_field', by]]);
  if (at === entries.length + 1) return object([...entries, [ODD_KEYS[step % ODD_KEYS.length]!, by]]);
  return object(entries.map(([key, item], index) => [key, index === at ? mutated(item, rest, by) : item]));
}

const BROKEN = ['', '{', '[]', 'null', '1', '"x"', '{"a":1,}', '{"a":NaN}', '[[[[', '{"a":"\\ud800"}', '\uFEFF{}', '{"__proto__":{"polluted":1}}', '{"constructor":{"prototype":{"polluted":1}}}', `${'['.repeat(2000)}${']'.repeat(2000)}`];

function jsonBody(schema: Schema): fc.Arbitrary<string> {
  const good = fitting('body', schema);
  const nearly = fc.tuple(good, fc.array(fc.nat(30), { minLength: 1, maxLength: 3 }), anything).map(([body, steps, by]) => mutated(body, steps, by));
  const asText = (body: unknown): string => withRaw(JSON.stringify(body));
  return fc.oneof({ weight: 4, arbitrary: good.map(asText) }, { weight: 6, arbitrary: nearly.map(asText) }, { weight: 1, arbitrary: anything.map(asText) }, { weight: 1, arbitrary: fc.constantFrom(...BROKEN) });
}

const CONTENT_TYPES = ['', 'text/plain', 'application/json; charset=utf-8', 'application/json; charset=latin1', 'application/json;charset="', 'multipart/form-data', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded', 'Application/JSON', 'application/merge-patch+json', 'x/'];

const asField = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function formBody(schema: Schema): fc.Arbitrary<[string, string][]> {
  const { properties = {}, ...rest } = resolved(schema);
  const { file: _, ...fields } = properties;
  const good = fitting('body', { ...rest, properties: fields, required: [] }).map((body) => Object.entries(body ?? {}).map(([name, value]): [string, string] => [name, asField(value)]));
  const odd = fc.tuple(fc.oneof(fc.constantFrom('unknown_field', ...Object.keys(fields)), keyName), anything).map(([name, value]): [string, string] => [name, withRaw(asField(value))]);
  const file = fc.oneof({ weight: 5, arbitrary: fc.constant('# Some text\n\nof a document.') }, { weight: 1, arbitrary: fc.constantFrom('', '%PDF-1.7', 'PK\u0003\u0004', '{"a":', '\0\0\0') });
  return fc.tuple(good, fc.option(odd), file).map(([body, extra, content]) => [...body, ...(extra ? [extra] : []), ['file', content] as [string, string]]);
}

/** Requests of an operation: mostly right, often nearly, sometimes nothing like it. */
export function requestsOf({ path, parameters, body, method }: Operation): fc.Arbitrary<FuzzRequest> {
  const names = [...path.matchAll(/([^/]+)\/\{(\w+)\}/g)].map(([, collection, name]) => [name!, collection!] as const);
  const paths = fc.record(Object.fromEntries(names.map(([name, collection]) => [name, fc.oneof({ weight: 6, arbitrary: fc.constant(`{{${collection}}}`) }, { weight: 1, arbitrary: fc.constantFrom('{{foreign}}', '{{unknown}}') }, { weight: 1, arbitrary: oddText })])));
  const query = parameters.filter((parameter) => parameter.in === 'query');
  const right = query.map(({ name, schema }) => fc.option(fitting(name, schema), { freq: 1 }).map((value): [string, string][] => (value === null ? [] : [[name, asField(value)]])));
  const wrong = fc.tuple(fc.oneof(fc.constantFrom('limit', 'cursor', 'api_key', 'limit[]', 'filter[a]', '__proto__[x]', ...query.map(({ name }) => name)), keyName), oddText).map((pair): [string, string][] => [pair]);
  const queries = fc.tuple(fc.tuple(...right), fc.option(wrong, { freq: 2 })).map(([given, extra]) => [...given.flat(), ...(extra ?? [])]);
  const bodies = body === null ? (method === 'GET' ? fc.constant(null) : fc.option(fc.constantFrom('{}', ...BROKEN), { freq: 1 })) : body.type === 'application/json' ? jsonBody(body.schema) : formBody(body.schema);
  const headers = fc.oneof(
    { weight: 6, arbitrary: fc.constant({}) },
    { weight: 1, arbitrary: fc.constantFrom<Record<string, string>>({ accept: 'application/json' }, { accept: '*/*;q=0' }, { 'last-event-id': '3' }, { 'last-event-id': 'x' }, { 'last-event-id': '9'.repeat(40) }, { 'x-forwarded-for': '::, x' }, { 'x-request-id': '"\'<x>' }, { 'if-match': '*' }, { range: 'bytes=0-0,5-' }, { 'user-agent': '' }, { 'idempotency-key': '"x' }, { 'accept-language': 'x'.repeat(2000) }) },
  );
  const contentType = fc.oneof({ weight: 20, arbitrary: fc.constant('application/json') }, { weight: 1, arbitrary: fc.constantFrom(...CONTENT_TYPES) });
  return fc.record({ path: paths, query: queries, headers, contentType, body: bodies });
}
