import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { OPERATIONS, resolved, type Schema } from '../support/openapi-operations.js';
import { Sandbox } from '../support/sandbox.js';

interface Operation {
  summary?: string;
  tags?: string[];
  operationId?: string;
  security?: Record<string, string[]>[];
  parameters?: { name: string; description?: string }[];
  requestBody?: { content: Record<string, { schema: { $ref?: string }; example?: object }> };
  responses: Record<string, { description?: string; content?: Record<string, unknown> }>;
}

interface Document {
  openapi: string;
  servers: { url: string }[];
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
}

const committed = JSON.parse(readFileSync('openapi.json', 'utf8')) as Document;
const access = JSON.parse(readFileSync('test/architecture/endpoint-permissions.json', 'utf8')) as Record<string, string>;
const operations = Object.entries(committed.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as [string, Operation]),
);

describe('the OpenAPI document', () => {
  it('is served as it is committed', async () => {
    const sandbox = new Sandbox();
    try {
      const server = await sandbox.start({ DATA_DIR: await sandbox.dataDir() });
      expect((await server.client.get('/openapi.json')).body).toEqual(committed);
    } finally {
      await sandbox.clean();
    }
  });

  it('is valid OpenAPI 3.1', async () => {
    expect(committed.openapi).toMatch(/^3\.1\./);
    expect(await new Validator().validate({ ...structuredClone(committed) })).toMatchObject({ valid: true });
  });

  it('has every route of the server, and no other', () => {
    // The router writes `:id` where the document writes `{id}`.
    const routes = Object.keys(access).map((route) => route.replaceAll(/:(\w+)/g, '{$1}'));
    expect(operations.map(([name]) => name).toSorted()).toEqual(routes.toSorted());
  });

  it('names each operation once', () => {
    const ids = operations.map(([, { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('can be imported into a client: it has a server to call, and each request a name and a folder', () => {
    expect(committed.servers[0]!.url).toMatch(/^http:/);
    const folders = committed.tags.map(({ name }) => name);
    expect(operations.filter(([, { summary, tags }]) => !/^[^`\n]+\.$/.test(summary ?? '') || !folders.includes(tags![0]!)).map(([name]) => name)).toEqual([]);
  });

  it('calls no schema a DTO and refers to nothing that is missing', () => {
    expect(Object.keys(committed.components.schemas).filter((name) => /dto/i.test(name))).toEqual([]);
    const references = new Set(JSON.stringify(committed).match(/(?<=#\/components\/schemas\/)\w+/g));
    expect([...references].filter((name) => !(name in committed.components.schemas))).toEqual([]);
  });

  it('bounds every text and every list that is sent', () => {
    // Their own checks bound them: an address of the net, a URL of at most 2048 characters.
    const boundedElsewhere = /(?:\.url|[. ]ip|\.allowed_ips\[\])$/;
    const unbounded: string[] = [];
    const look = (given: Schema, path: string): void => {
      const schema = resolved(given);
      const types = [schema.type ?? []].flat();
      if (types.includes('string') && !boundedElsewhere.test(path) && schema.maxLength === undefined && !schema.format && !schema.enum && !schema.pattern) unbounded.push(path);
      if (types.includes('array') && schema.maxItems === undefined) unbounded.push(path);
      if (schema.items) look(schema.items, `${path}[]`);
      for (const [name, property] of Object.entries(schema.properties ?? {})) look(property, `${path}.${name}`);
    };
    for (const { route, parameters, body } of OPERATIONS) {
      for (const { name, schema } of parameters) look(schema, `${route} ${name}`);
      if (body) look(body.schema, route);
    }
    expect(unbounded).toEqual([]);
  });

  it('tells of every list how it is paged', () => {
    const lists = operations.filter(([, { parameters }]) => parameters?.some(({ name }) => name === 'cursor'));
    expect(lists.map(([name]) => name)).toEqual(expect.arrayContaining(['GET /admin/jobs', 'GET /admin/tenants', 'GET /admin/users', 'GET /api/v1/api-keys', 'GET /api/v1/databases', 'GET /api/v1/documents', 'GET /api/v1/jobs']));
    for (const [name, { parameters, responses }] of lists) {
      expect([name, parameters?.find((parameter) => parameter.name === 'limit')]).toMatchObject([name, { required: false, schema: { type: 'integer', default: 50, minimum: 1, maximum: 100 } }]);
      const { schema } = (responses['200']?.content?.['application/json'] ?? {}) as { schema: { $ref: string } };
      const answer = committed.components.schemas[schema.$ref.split('/').at(-1)!] as { required: string[] };
      expect([name, answer.required]).toEqual([name, expect.arrayContaining(['limit', 'next_cursor', 'has_more'])]);
    }
  });

  it.each(operations)('tells of %s what it does, who may, what to send and how it fails', (name, operation) => {
    expect(operation.summary).toMatch(/\S/);
    expect(operation.tags).toHaveLength(1);
    expect(operation.parameters?.filter(({ description }) => !description) ?? []).toEqual([]);
    const may = access[name.replaceAll(/\{(\w+)\}/g, ':$1')];
    const either = [{ accessToken: [] }, { apiKey: [] }];
    expect(operation.security).toEqual(may === 'public' ? [] : may === 'session' ? either.slice(0, 1) : either);

    const answers = Object.entries(operation.responses);
    // Who has seen the end of a stream is told not to come back, and a worker for whom there is nothing to do as much.
    const successes = /\/(events|lease)$/.test(name) ? ['200', '204'] : [expect.stringMatching(/^2/)];
    expect(answers.map(([status]) => status).filter((status) => status.startsWith('2'))).toEqual(successes);
    for (const [, { description }] of answers) expect(description).toMatch(/\S/);
    const failures = answers.filter(([status]) => /^[45]/.test(status));
    expect(failures.map(([status]) => status)).toEqual(expect.arrayContaining(may === 'public' ? ['500'] : ['401', '403', '429', '500', '503']));
    for (const [, { content }] of failures) expect(Object.keys(content ?? {})).toEqual(['application/problem+json']);
    for (const { example, schema } of Object.values(operation.requestBody?.content ?? {})) {
      const { required = [] } = committed.components.schemas[schema.$ref?.split('/').at(-1) ?? ''] as { required?: string[] };
      // A file is chosen, not written down.
      expect(Object.keys(example ?? {})).toEqual(expect.arrayContaining(required.filter((field) => field !== 'file')));
      expect(example).not.toEqual({});
    }
  });
});
