import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Schemas } from '@qdrant/js-client-rest';
import addFormats from 'ajv-formats';
import { OpenAPIBackend } from 'openapi-backend';
import type { Context, Document, Handler } from 'openapi-backend';
import { QdrantModel, Refusal } from './qdrant-model.js';

/** Qdrant's own description of its API, beside the checkout. */
const DESCRIPTION = fileURLToPath(new URL('../../../shared/qdrant/openapi.json', import.meta.url));
/** Of a request; Qdrant's own default. */
const MAX_BYTES = 32 * 1024 * 1024;

export const qdrantApiIsMissing = !existsSync(DESCRIPTION);
if (qdrantApiIsMissing) process.stderr.write('SKIPPED: no ../shared/qdrant/openapi.json beside the checkout, so the requests to Qdrant are not checked against it.\n');

/** For tests against the stub: skipped, aloud, where there is nothing to check requests against. */
export const describeWithQdrantApi = qdrantApiIsMissing ? describe.skip : describe;

interface Answer {
  status: number;
  json: unknown;
}

export interface SeenRequest {
  operation: string;
  collection: string;
  body: unknown;
}

/**
 * An HTTP server that takes nothing but what Qdrant 1.19 describes as its API, checks that what it answers is so described, too, and otherwise does
 * what `QdrantModel` does. It shows that requests are well-formed, not how a real server ranks and how it behaves under load.
 */
export class QdrantStub {
  readonly seen: SeenRequest[] = [];
  readonly model = new QdrantModel();
  /** The same after it was stopped. */
  readonly url: string;

  private constructor(
    private readonly server: Server,
    readonly options: { version: string; apiKey?: string },
  ) {
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(options: { version?: string; apiKey?: string } = {}): Promise<QdrantStub> {
    api ??= describedApi();
    const described = await api;
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const stub = new QdrantStub(server, { version: '1.19.0', ...options });
    server.on('request', (request, response) => {
      const answering = stub.answer(described, request).catch((error: unknown) => no(500, String(error)));
      void answering.then(({ status, json }) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json)));
    });
    return stub;
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private async answer(described: OpenAPIBackend, request: IncomingMessage): Promise<Answer> {
    const chunks: Buffer[] = await request.toArray();
    const body = Buffer.concat(chunks);
    if (body.length > MAX_BYTES) return no(413, 'Payload Too Large');
    const { apiKey } = this.options;
    if (apiKey !== undefined && request.url !== '/' && request.headers['api-key'] !== apiKey) return { status: 401, json: 'Must provide an API key or an Authorization bearer token' };
    const json: unknown = body.length > 0 ? JSON.parse(body.toString()) : undefined;
    return (await described.handleRequest({ method: request.method!, path: request.url!, body: json, headers: { 'content-type': 'application/json' } }, this)) as Answer;
  }
}

/** Made once a test file, for the checks of a description of 300 kB take seconds to compile. */
let api: Promise<OpenAPIBackend> | undefined;

function describedApi(): Promise<OpenAPIBackend> {
  const on = (work: (model: QdrantModel, name: string, body: never) => unknown): Handler => ({ operation, request }: Context, { seen, model }: QdrantStub): Answer => {
    const name = String(request.params['collection_name'] ?? '');
    seen.push({ operation: operation.operationId!, collection: name, body: request.requestBody });
    try {
      return ok(work(model, name, request.requestBody as never));
    } catch (error) {
      if (error instanceof Refusal) return no(error.status, error.message);
      throw error;
    }
  };
  const backend = new OpenAPIBackend({
    definition: readDescription(),
    quick: true,
    coerceTypes: true,
    ajvOpts: { strict: false },
    customizeAjv: (ajv) => {
      addFormats.default(ajv);
      ajv.addFormat('uint8', { type: 'number', validate: (value) => value >= 0 && value < 2 ** 8 });
      ajv.addFormat('uint32', { type: 'number', validate: (value) => value >= 0 && value < 2 ** 32 });
      for (const format of ['uint', 'uint64']) ajv.addFormat(format, { type: 'number', validate: (value) => Number.isSafeInteger(value) && value >= 0 });
      ajv.addFormat('partial-date-time', true);
      return ajv;
    },
    handlers: {
      root: (_context: Context, { options }: QdrantStub) => ({ status: 200, json: { title: 'qdrant - vector search engine', version: options.version } }),
      get_collections: on((model) => ({ collections: model.names.map((name) => ({ name })) })),
      collection_exists: on((model, name) => ({ exists: model.has(name) })),
      get_collection: on((model, name) => model.info(name)),
      create_collection: on((model, name, body) => model.create(name, body)),
      delete_collection: on((model, name) => model.drop(name)),
      create_field_index: on((model, name, body) => model.createIndex(name, body)),
      batch_update: on((model, name, { operations }: Schemas['UpdateOperations']) => model.update(name, operations)),
      query_batch_points: on((model, name, { searches }: Schemas['QueryRequestBatch']) => searches.map((search) => model.query(name, search))),
      count_points: on((model, name, body) => model.count(name, body)),
      validationFail: ({ validation }: Context) => no(400, `the request is none of Qdrant's: ${JSON.stringify(validation.errors)}`),
      notFound: () => ({ status: 404, json: {} }),
      notImplemented: ({ operation }: Context) => no(501, `the model knows no ${operation.operationId}`),
      postResponseHandler: ({ operation, response }: Context) => {
        const { status, json } = response as Answer;
        const { errors } = operation?.operationId ? backend.validateResponse(json, operation.operationId, status) : {};
        return errors?.length ? no(500, `the answer is none of Qdrant's: ${JSON.stringify(errors)}`) : response;
      },
    },
  });
  return backend.init();
}

function ok(result: unknown): Answer {
  return { status: 200, json: { result, status: 'ok', time: 0.001 } };
}

function no(status: number, error: string): Answer {
  return { status, json: { status: { error }, time: 0.001 } };
}

/** Makes JSON Schema of it: `nullable` beside nothing would let anything pass, and so would properties that nobody has named. */
function readDescription(): Document {
  return JSON.parse(readFileSync(DESCRIPTION, 'utf8'), (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    const { nullable, ...schema } = value as Record<string, unknown>;
    if (nullable === true) schema['type'] = schema['type'] === undefined ? 'null' : [schema['type'], 'null'];
    if (schema['type'] !== undefined && typeof schema['properties'] === 'object') schema['additionalProperties'] ??= false;
    return schema;
  }) as Document;
}
