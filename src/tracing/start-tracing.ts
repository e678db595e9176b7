import { diag, DiagLogLevel } from '@opentelemetry/api';
import { within } from '../common/within.js';
import { traceWith } from './tracing.js';

/** Between two batches; what a process that is killed takes with it. */
const BATCH_DELAY_MS = 2000;
/** A collector that does not answer holds up neither the batches that come after it nor a shutdown. */
const EXPORT_TIMEOUT_MS = 5000;
const FLUSH_MS = 3000;

/** Of what the SDK says when a collector refuses. */
const LONGEST_COMPLAINT = 500;
/** Of a span's attribute; longer statements are cut. */
const LONGEST_ATTRIBUTE = 2000;

export interface TracingOptions {
  version: string;
  /** Of the traces, from 0 to 1. */
  share: number;
  warn: (message: string) => void;
}

/**
 * Loads the SDK of OpenTelemetry and exports spans over OTLP (JSON over HTTP). The SDK reads where to, and with which headers, from
 * `OTEL_EXPORTER_OTLP_*`, and what this process is called from `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
 * @returns what sends the last spans, and gives up on them after three seconds, or so many milliseconds
 */
export async function startTracing({ version, share, warn }: TracingOptions): Promise<(flushMs?: number) => Promise<void>> {
  const [{ BatchSpanProcessor, TracerProvider, TraceIdRatioBasedSampler }, { OTLPTraceExporter }, { detectResources, envDetector, resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const named = resourceFromAttributes({ 'service.name': 'morag', 'service.version': version, 'process.pid': process.pid });
  const provider = new TracerProvider({
    resource: named.merge(detectResources({ detectors: [envDetector] })),
    // By the trace's id alone, so that all processes decide alike, and no caller by a flag of its own.
    sampler: new TraceIdRatioBasedSampler(share),
    spanLimits: { attributeValueLengthLimit: LONGEST_ATTRIBUTE },
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), scheduledDelayMillis: BATCH_DELAY_MS, exportTimeoutMillis: EXPORT_TIMEOUT_MS })],
  });
  const ignore = (): void => undefined;
  diag.setLogger({ error: (complaint) => warn(`spans were not delivered: ${complaint.slice(0, LONGEST_COMPLAINT)}`), warn: ignore, info: ignore, debug: ignore, verbose: ignore }, DiagLogLevel.ERROR);
  traceWith(provider.getTracer('morag', version));
  return async (flushMs = FLUSH_MS) => {
    traceWith(undefined);
    await within(flushMs, provider.shutdown()).catch((error: unknown) => warn(`the last spans were not delivered: ${String(error)}`));
  };
}
