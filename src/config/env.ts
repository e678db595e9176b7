import { z } from 'zod';
import { isAddressRange } from '../common/ip-ranges.js';
import { readBlobAddress } from './blob-address.js';

/** One environment variable: how it is read, what it means, and what holds when it is unset. */
interface Variable<Value> {
  read(text: string | undefined): z.ZodSafeParseResult<Value>;
  meaning: string;
  /** What a value looks like, in words. */
  type: string;
  /** As a person would write it; empty where nothing is assumed. */
  fallback: string;
  secret: boolean;
}

function withDefault<Schema extends z.ZodType>(schema: Schema, fallback: string, meaning: string): Variable<z.output<Schema>> {
  return { read: (text) => schema.safeParse(text ?? fallback), meaning, type: schema.description ?? 'text', fallback, secret: false };
}

function optional<Schema extends z.ZodType>(schema: Schema, meaning: string): Variable<z.output<Schema> | undefined> {
  return { read: (text) => schema.optional().safeParse(text), meaning, type: schema.description ?? 'text', fallback: '', secret: false };
}

function secret<Schema extends z.ZodType>(schema: Schema, meaning: string): Variable<z.output<Schema> | undefined> {
  return { ...optional(schema, meaning), secret: true };
}

const integer = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(minimum, `must be at least ${minimum}`).max(maximum, `must be at most ${maximum}`))
    .describe(`${minimum}–${maximum}`);
const flag = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true').describe('true or false');
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);
const listOf = (isValid: (item: string) => boolean, what: string) => list.refine((items) => items.every((item) => isValid(item)), `must be ${what}, comma-separated`).describe('list');
const isHost = (item: string): boolean => /^(\[[0-9a-f:.]+\]|[^\s:/@[\]]+)(:\d{1,5})?$/i.test(item);
const isOrigin = (item: string): boolean => !item.includes('*') && URL.canParse(item) && new URL(item).origin === item;
const address = (...protocols: string[]) =>
  z
    .string()
    .refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), `must start with ${protocols.map((name) => `${name}//`).join(' or ')}`);
const blobAddress = z
  .string()
  .transform(readBlobAddress)
  .refine((place) => place !== null, 'must look like file:///absolute/path or s3://bucket/prefix?region=…&endpoint=https://…');
const oneOf = <const Values extends readonly string[]>(...values: Values) => z.enum(values, `must be one of: ${values.join(', ')}`).describe(values.join(' or '));
const text = z.string().min(1);
const longSecret = z.string().min(32, 'must have at least 32 characters').describe('text, 32 characters or more');

/** Every variable the server reads. `--help`, the README and the start-up check are all made from this table. */
export const VARIABLES = {
  NODE_ENV: withDefault(oneOf('development', 'test', 'production'), 'development', '`production` demands secrets and hides /docs'),
  PORT: withDefault(integer(0, 65535), '3000', 'port the API listens on'),
  HOST: withDefault(text, '127.0.0.1', 'address the API listens on'),
  ROLE: withDefault(oneOf('all', 'api', 'worker'), 'all', 'what this process does: answer requests, run jobs, or both'),
  DATA_DIR: withDefault(text, './.data', 'embedded database, vectors, files and generated secrets'),
  DATABASE_URL: secret(address('postgres:', 'postgresql:'), 'PostgreSQL (15 or newer) to use instead of the embedded one'),
  DATABASE_POOL: withDefault(integer(2, 200), '10', 'database connections this process may hold for requests and jobs'),
  DATABASE_DIRECT_URL: secret(address('postgres:', 'postgresql:'), 'PostgreSQL itself, where `DATABASE_URL` leads to a pooler in transaction mode such as PgBouncer (unset: `DATABASE_URL`)'),
  DATABASE_REPLICA_URL: secret(address('postgres:', 'postgresql:'), 'streaming replica on which lists and usage are read (unset: none)'),
  DATABASE_REPLICA_POOL: optional(integer(1, 200), 'connections to the replica that this process may hold (unset: as `DATABASE_POOL`)'),
  DATABASE_REPLICA_MAX_LAG_MS: withDefault(integer(500, 60_000), '1000', 'the replica is read while it shows everything that was written so many milliseconds ago'),
  MIGRATE_ON_START: withDefault(flag, 'true', '`false`: this process does not migrate, and starts once `--migrate` has been run, by a login with more rights'),
  REDIS_URL: secret(address('redis:', 'rediss:'), 'Redis that counts rate limits for all processes together (unset: each process counts for itself)'),
  BLOB_STORE: optional(blobAddress, 'where original files are kept: `file:///absolute/path` or `s3://bucket/prefix?region=…&endpoint=https://…`, with credentials as the AWS SDK finds them, such as AWS_ACCESS_KEY_ID (unset: `blobs` in DATA_DIR)'),
  JWT_SECRET: secret(longSecret, 'signs access tokens (unset: generated into DATA_DIR; required in production)'),
  JWT_SECRET_PREVIOUS: secret(longSecret, 'the `JWT_SECRET` before the present one: its tokens are still accepted, none is signed with it'),
  SEALING_KEY: secret(longSecret, 'seals stored credentials and authenticates list cursors (unset: generated into DATA_DIR; required in production)'),
  SEALING_KEY_PREVIOUS: secret(longSecret, 'the `SEALING_KEY` before the present one: opens what that one sealed'),
  ADMIN_EMAIL: withDefault(z.email('must be an e-mail address'), 'admin@morag.localhost', 'first administrator, made at the first start'),
  ADMIN_PASSWORD: secret(z.string().min(8, 'must have at least 8 characters').max(128, 'must have at most 128 characters'), "the first administrator's password (unset: generated and printed once)"),
  CORS_ORIGINS: withDefault(listOf(isOrigin, 'origins such as https://app.example.com'), '', 'origins that a browser may call from, comma-separated'),
  TRUSTED_PROXIES: withDefault(listOf(isAddressRange, 'IP addresses or CIDR ranges').refine((ranges) => !ranges.some((range) => range.endsWith('/0')), 'must not be every address: whoever asks could then claim any'), '', 'addresses or CIDRs whose X-Forwarded-For counts, comma-separated'),
  OUTBOUND_ALLOW: withDefault(listOf(isHost, 'host names or addresses, each with or without a port'), '', 'private host[:port]s that may be connected to, comma-separated'),
  EMBEDDING_PROVIDER: withDefault(oneOf('hash', 'openai', 'onnx'), 'hash', '`hash` works offline; `openai` is any compatible endpoint; `onnx` is a model in files of yours'),
  EMBEDDING_URL: optional(address('http:', 'https:'), 'base address of the endpoint, such as `https://api.openai.com/v1`'),
  EMBEDDING_MODEL: optional(text, 'model name sent to the endpoint, or the folder of an `onnx` model'),
  EMBEDDING_MODEL_DIR: optional(text, 'where the folders of `onnx` models are (unset: `models` in DATA_DIR)'),
  EMBEDDING_API_KEY: secret(text, 'credential of the endpoint'),
  EMBEDDING_DIMENSIONS: optional(integer(1, 16000), 'length of its vectors'),
  MAX_UPLOAD_MB: withDefault(integer(1, 10240), '100', 'largest file accepted, in MiB'),
  DOCS_ENABLED: optional(flag, 'Swagger UI at /docs and the document at /openapi.json (unset: true, but false in production)'),
  METRICS_TOKEN: secret(z.string().min(16, 'must have at least 16 characters').describe('text, 16 characters or more'), 'what `/metrics` asks for as a bearer token (unset: open, but absent in production)'),
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(address('http:', 'https:'), 'collector of OpenTelemetry that gets traces, over OTLP as JSON (unset: none are made); which other `OTEL_*` count is in docs/observability.md'),
  OTEL_TRACES_SAMPLER_ARG: withDefault(z.string().transform(Number).pipe(z.number('must be a number').min(0, 'must be at least 0').max(1, 'must be at most 1')).describe('0–1'), '1', 'share of the traces that is exported, chosen by their ids'),
  AUDIT_RETENTION_DAYS: withDefault(integer(30, 36_500), '400', 'after how many days an entry of the audit is removed'),
  LOG_LEVEL: withDefault(oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'), 'info', 'least important message that is logged'),
};

export type VariableName = keyof typeof VARIABLES;
/** The validated environment. */
export type Env = { readonly [Name in VariableName]: (typeof VARIABLES)[Name] extends Variable<infer Value> ? Value : never };

/** A setting that stops the server from starting; its message is all that is shown. */
export class StartupError extends Error {
  override readonly name = 'StartupError';
}

/** They say more about the database at `DATABASE_URL`. */
const BESIDE_DATABASE_URL: readonly VariableName[] = ['DATABASE_DIRECT_URL', 'DATABASE_REPLICA_URL'];
const REQUIRED_IN_PRODUCTION: readonly VariableName[] = ['JWT_SECRET', 'SEALING_KEY'];

/**
 * Reads and checks all variables. An empty string counts as unset.
 * @throws StartupError naming each wrong variable and what it must be
 */
export function readEnv(source: NodeJS.ProcessEnv = process.env): Env {
  const problems: string[] = [];
  const env: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries(VARIABLES)) {
    const result = variable.read(source[name] || undefined);
    if (result.success) env[name] = result.data;
    else problems.push(`${name} ${result.error.issues[0]?.message ?? 'is invalid'}`);
  }
  for (const name of BESIDE_DATABASE_URL) if (env[name] !== undefined && !source['DATABASE_URL']) problems.push(`${name} needs a DATABASE_URL`);
  if (env['NODE_ENV'] === 'production') {
    for (const name of REQUIRED_IN_PRODUCTION) if (env[name] === undefined && !problems.some((problem) => problem.startsWith(`${name} `))) problems.push(`${name} must be set in production`);
    // Whoever learned one of them would have both.
    if (env['JWT_SECRET'] !== undefined && env['JWT_SECRET'] === env['SEALING_KEY']) problems.push('SEALING_KEY must not be the JWT_SECRET');
  }
  if (problems.length > 0) throw new StartupError(`${problems.join('; ')}. Run with --help to see every variable.`);
  return env as Env;
}

/** The table as rows of text: name, type, default, meaning; secrets are marked. */
export function describeVariables(): { name: string; type: string; fallback: string; meaning: string; secret: boolean }[] {
  return Object.entries(VARIABLES).map(([name, { type, fallback, meaning, secret }]) => ({ name, type, fallback, meaning, secret }));
}
