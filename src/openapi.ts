import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { ProblemDto } from './common/problem.dto.js';

type Operation = Record<string, unknown> & { responses: Record<string, unknown>; security?: Record<string, string[]>[] };
type JsonObject = Record<string, unknown>;

const PUBLIC = /^\/(auth\/(register|login)|health(\/.*)?)$/;
const METHODS = ['get', 'put', 'post', 'patch', 'delete'] as const;

const DESCRIPTION = `Multi-tenant backend for document ingestion and retrieval.

People sign in at \`/auth/login\` and send the token as \`Authorization: Bearer …\`; programs send an API key as \`X-API-Key: mk_…\`.
Every error is an RFC 9457 problem document with a stable \`code\`.`;

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
  '503': 'Something this server needs is away',
  '507': 'The disk is full',
};

/** Which errors an operation may answer with, told from its shape. */
function errorsOf(path: string, method: string, operation: Operation): string[] {
  const open = PUBLIC.test(path);
  const writes = method !== 'get' && method !== 'delete';
  const codes = ['500', '503', ...(open ? [] : ['401', '403']), ...(path.startsWith('/health') ? [] : ['400', '429'])];
  if (path === '/auth/login') codes.push('401');
  if (path.includes('{') || 'requestBody' in operation) codes.push('404');
  if (writes) codes.push('409', '413', '415', '422');
  if (path.startsWith('/api/v1/ingest')) codes.push('507');
  if (method === 'delete') codes.push('409');
  return codes;
}

function describeErrors(path: string, method: string, operation: Operation): void {
  for (const code of new Set(errorsOf(path, method, operation))) {
    operation.responses[code] ??= {
      description: ERRORS[code],
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemDto' } } },
    };
  }
  operation.security = PUBLIC.test(path) ? [] : [{ accessToken: [] }, { apiKey: [] }];
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

export function createOpenApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('MoRAG Server')
    .setVersion('0.1.0')
    .setDescription(DESCRIPTION)
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'The `access_token` of /auth/login' }, 'accessToken')
    .addApiKey({ type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'A key of POST /api/v1/api-keys' }, 'apiKey')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    extraModels: [ProblemDto],
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
  });
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) if (item[method]) describeErrors(path, method, item[method] as unknown as Operation);
  }
  return withoutNullable(document) as OpenAPIObject;
}

/** Swagger UI at /docs, and the document itself at /openapi.json. */
export function serveDocs(app: NestFastifyApplication): void {
  SwaggerModule.setup('docs', app, () => createOpenApiDocument(app), {
    jsonDocumentUrl: 'openapi.json',
    customSiteTitle: 'MoRAG Server',
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true, tryItOutEnabled: true },
  });
}
