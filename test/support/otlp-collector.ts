import { text } from 'node:stream/consumers';
import { WebServer } from './web-server.js';

interface Value {
  stringValue?: string;
  intValue?: number | string;
  doubleValue?: number;
  boolValue?: boolean;
}

interface Attribute {
  key: string;
  value: Value;
}

/** A span as OTLP's JSON has it. */
export interface ExportedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  attributes: Attribute[];
  events: { name: string }[];
  status: { code?: number };
}

export const KIND = { INTERNAL: 1, SERVER: 2, CLIENT: 3, CONSUMER: 5 } as const;

export const attributeOf = (span: ExportedSpan, key: string): unknown => Object.values(span.attributes.find((attribute) => attribute.key === key)?.value ?? {})[0];

/** Where a server under test exports its traces to. */
export class OtlpCollector {
  /** Everything that came, as it came. */
  received = '';
  readonly spans: ExportedSpan[] = [];
  readonly resources: Attribute[][] = [];

  private constructor(private readonly site: WebServer) {
    site.pages['/v1/traces'] = (request, response) => {
      void text(request).then((body) => {
        this.take(body);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    };
  }

  static async start(): Promise<OtlpCollector> {
    return new OtlpCollector(await WebServer.start());
  }

  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  get endpoint(): string {
    return this.site.url('');
  }

  stop(): Promise<void> {
    return this.site.stop();
  }

  private take(body: string): void {
    this.received += body;
    const { resourceSpans } = JSON.parse(body) as { resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: ExportedSpan[] }[] }[] };
    for (const { resource, scopeSpans } of resourceSpans) {
      this.resources.push(resource.attributes);
      this.spans.push(...scopeSpans.flatMap(({ spans }) => spans));
    }
  }
}
