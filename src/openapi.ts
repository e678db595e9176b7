import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { ClosedByDefault } from './auth/closed-by-default.js';
import { ProblemDto } from './common/problem.dto.js';
import { VERSION } from './common/version.js';
import { IDEMPOTENCY_KEY } from './idempotency/idempotent.js';

type Operation = Record<string, unknown> & { summary?: string; description?: string; responses: Record<string, unknown>; security?: Record<string, string[]>[] };
type JsonObject = Record<string, unknown>;

const METHODS = ['get', 'put', 'post', 'patch', 'delete'] as const;

const DESCRIPTION = `Multi-tenant backend for document ingestion and retrieval.

People sign in at \`/auth/login\` and send the token as \`Authorization: Bearer …\`; programs send an API key as \`X-API-Key: mk_…\`.
Every error is an RFC 9457 problem document with a stable \`code\`.`;

/** In the order in which a newcomer needs them. */
const TAGS: Readonly<Record<string, string>> = {
  Authentication: 'Accounts, signing in, personal settings',
  'API keys': 'Credentials for programs',
  Tenant: 'Quotas and usage',
  Databases: 'Collections of vectors that documents go into',
  'Database servers': 'Where such collections are: the built-in server, and others of your own',
  Ingestion: 'Files and texts on their way in',
  Processing: 'Conversion at once, without a document',
  'Remote workers': 'Workers elsewhere that read audio, video and images',
  Documents: 'What is stored',
  Jobs: 'How far the processing is',
  Search: 'Passages with citations',
  Webhooks: 'Being told what happens',
  Audit: 'Who changed what, and what was refused',
  Administration: 'Across tenants, for administrators',
  Operations: 'For load balancers, supervisors and Prometheus',
};

const ERRORS: Readonly<Record<string, string>> = {
  '400': 'Malformed or invalid input',
  '401': 'No credential, or a bad one',
  '403': 'The credential lacks the permission, role, address, or its tenant is suspended',
  '404': "Does not exist, or is another tenant's",
  '409': 'Conflicts with what exists',
  '413': 'Too large',
  '415': 'Not a type that is accepted here',
  '422': 'Understood, but cannot be',
  '429': 'Too many requests, or a quota is used up',
  '500': 'Something failed on our side',
  '502': 'The URL broke off its answer',
  '503': 'Something this server needs is away',
  '504': 'The URL takes too long',
  '507': 'The disk is full',
};

/** Which errors an operation may answer with, told from its shape and from who may call it. */
function errorsOf(path: string, method: string, access: string): string[] {
  const open = access === 'public';
  const codes = ['500', '503', ...(open ? [] : ['401', '403', '429'])];
  if (!path.startsWith('/health') && path !== '/metrics') codes.push('400');
  if (path === '/auth/login' || path === '/auth/refresh') codes.push('401');
  if (path === '/auth/login') codes.push('429');
  if (path === '/metrics') codes.push('404');
  if (method !== 'get' && method !== 'delete') codes.push('413', '415');
  if (method !== 'get' && path !== '/auth/login' && path !== '/auth/refresh') codes.push('409');
  if (!open && (path.includes('{') || method === 'post')) codes.push('404');
  if (!open && ['post', 'put', 'patch'].includes(method)) codes.push('422');
  // A default database that is not there, and a lease that has ended.
  if (path === '/api/v1/tenant/configuration' && method === 'patch') codes.push('404');
  if (path === '/api/v1/remote/jobs/{id}/content') codes.push('409');
  if (path.startsWith('/api/v1/ingest') || path.startsWith('/process')) codes.push('507');
  if (path === '/api/v1/ingest/url' || path === '/process/url') codes.push('502', '504');
  return codes;
}

const SUCCESSES: Readonly<Record<string, string>> = { '200': 'Done', '201': 'Created', '202': 'Accepted, and safe', '204': 'Done; the body is empty' };

function describeSuccess(operation: Operation): void {
  for (const [code, description] of Object.entries(SUCCESSES)) {
    const answer = operation.responses[code] as { description: string } | undefined;
    if (answer) answer.description ||= description;
  }
}

/** A summary is the name of the request in Postman, Insomnia and Swagger UI, which show it as it is; what follows its first sentence is description. */
function divideSummary(operation: Operation): void {
  const [, first, rest] = /^(.+?[.?!])\s+(.+)$/s.exec(operation.summary ?? '') ?? [null, operation.summary ?? '', ''];
  operation.summary = first?.replaceAll('`', '').replaceAll(/\s+/g, ' ');
  const description = [rest, operation.description].filter(Boolean).join('\n\n');
  if (description) operation.description = description;
}

/** An answer that was kept says so. */
function describeReplays(operation: Operation): void {
  if (!((operation['parameters'] ?? []) as Parameter[]).some(({ name }) => name === IDEMPOTENCY_KEY)) return;
  const header = { 'Idempotency-Replayed': { description: '`true` when this is the answer to an earlier request with the same Idempotency-Key.', schema: { type: 'string', enum: ['true'] } } };
  for (const [code, answer] of Object.entries(operation.responses)) if (code in SUCCESSES) Object.assign(answer as object, { headers: header });
}

function describeErrors(path: string, method: string, access: string, operation: Operation): void {
  for (const code of new Set(errorsOf(path, method, access))) {
    operation.responses[code] ??= {
      description: ERRORS[code],
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemDto' } } },
    };
  }
}

/** A key cannot do what needs a person who signed in. */
function securityOf(access: string): Record<string, string[]>[] {
  if (access === 'public') return [];
  return access === 'session' ? [{ accessToken: [] }] : [{ accessToken: [] }, { apiKey: [] }];
}

/** Who may call each operation, under the names that OpenAPI gives to methods and paths. */
function accessByOperation(app: NestFastifyApplication): Map<string, string> {
  const routes = app.get(ClosedByDefault, { strict: false }).routes();
  return new Map(routes.map(({ method, path, access }) => [`${method.toLowerCase()} ${path.replaceAll(/:(\w+)/g, '{$1}')}`, access]));
}

/** OpenAPI 3.1 is JSON Schema, which has no `nullable`: a type may be null instead. */
function withoutNullable(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutNullable);
  if (typeof node !== 'object' || node === null) return node;
  const { nullable, ...rest } = node as JsonObject;
  const copy = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, withoutNullable(value)]));
  if (nullable !== true) return copy;
  if (typeof copy['type'] === 'string') return { ...copy, type: [copy['type'], 'null'], ...(Array.isArray(copy['enum']) ? { enum: [...copy['enum'], null] } : {}) };
  return { anyOf: [copy, { type: 'null' }] };
}

/** `Dto` is our word for these classes; readers of the document and of generated clients want `Document`, not `DocumentDto`. */
function withoutSuffix(document: unknown): unknown {
  const text = JSON.stringify(document).replaceAll(/"#\/components\/schemas\/(\w+?)Dto"/g, '"#/components/schemas/$1"');
  const renamed = JSON.parse(text) as OpenAPIObject;
  const schemas = Object.entries(renamed.components?.schemas ?? {}).map(([name, schema]) => [name.replace(/Dto$/, ''), schema] as const);
  return { ...renamed, components: { ...renamed.components, schemas: Object.fromEntries(schemas) } };
}

interface Parameter {
  name: string;
  in: string;
  description?: string;
  schema?: object;
}

/** Every parameter of a path is an id. */
function describePathParameters(operation: Operation): void {
  for (const parameter of (operation['parameters'] ?? []) as Parameter[]) {
    if (parameter.in !== 'path') continue;
    parameter.schema = { type: 'string', format: 'uuid' };
    parameter.description ??= parameter.name === 'id' ? 'The id, as the list of these things gives it.' : `The \`${parameter.name}\` of an earlier answer.`;
  }
}

interface BodySchema {
  properties?: Record<string, { example?: unknown; format?: string }>;
  required?: string[];
}

interface MediaType {
  schema?: { $ref?: string };
  example?: unknown;
}

/** The body that "Try it out" starts with: the fields that have an example; made-up ids and addresses in the others would only earn an error. */
function describeExamples(schemas: Record<string, BodySchema>, operation: Operation): void {
  const body = operation['requestBody'] as { content: Record<string, MediaType> } | undefined;
  for (const [type, media] of Object.entries(body?.content ?? {})) {
    const schema = schemas[media.schema?.$ref?.replace('#/components/schemas/', '') ?? ''];
    if (!schema?.properties) continue;
    const required = Object.entries(schema.properties).filter(([name]) => schema.required?.includes(name));
    // A form shows the fields in this order.
    schema.properties = { ...Object.fromEntries(required), ...schema.properties };
    const shown = Object.entries(schema.properties).filter(([, property]) => property.example !== undefined);
    if (shown.length > 0) media.example = Object.fromEntries(shown.map(([name, property]) => [name, property.example]));
    // A form shows the other fields as well, and makes up an id that does not exist.
    if (type !== 'application/json') for (const property of Object.values(schema.properties)) if (['uuid', 'uri'].includes(property.format ?? '')) property.example ??= '';
  }
}

export function createOpenApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('MoRAG Server')
    .setVersion(VERSION)
    .setDescription(DESCRIPTION)
    // Some importers make do with no server, others fail; the first one is what they call.
    .addServer('http://127.0.0.1:3000', 'What npm start starts')
    .addServer('/', 'Wherever this document was fetched')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'The `access_token` of /auth/login' }, 'accessToken')
    .addApiKey({ type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'A key of POST /api/v1/api-keys' }, 'apiKey');
  for (const [name, description] of Object.entries(TAGS)) builder.addTag(name, description);
  const document = SwaggerModule.createDocument(app, builder.build(), {
    extraModels: [ProblemDto],
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
  });
  const accesses = accessByOperation(app);
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const operation = item[method] as unknown as Operation | undefined;
      if (!operation) continue;
      describeSuccess(operation);
      describeReplays(operation);
      divideSummary(operation);
      const access = accesses.get(`${method} ${path}`) ?? '';
      describeErrors(path, method, access, operation);
      operation.security = securityOf(access);
      describePathParameters(operation);
      describeExamples((document.components?.schemas ?? {}) as Record<string, BodySchema>, operation);
    }
  }
  return withoutSuffix(withoutNullable(document)) as OpenAPIObject;
}

/** Swagger UI at /docs, and the document itself at /openapi.json. */
export function serveDocs(app: NestFastifyApplication): void {
  SwaggerModule.setup('docs', app, () => createOpenApiDocument(app), {
    jsonDocumentUrl: 'openapi.json',
    // The page talks to the server that it comes from, at whatever address.
    patchDocumentOnRequest: (request, _, document) => ((request as { url: string }).url.startsWith('/docs') ? { ...document, servers: [{ url: '/' }] } : document),
    customSiteTitle: 'MoRAG Server',
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true, tryItOutEnabled: true },
  });
}
