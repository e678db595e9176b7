import { Injectable } from '@nestjs/common';
import type { Span } from '@opentelemetry/api';
import type { Counter, Histogram } from 'prom-client';
import { rememberWork } from '../common/request-context.js';
import { traceOf } from '../common/trace-context.js';
import { Metrics } from '../metrics/metrics.js';
import { beginSpan, contextOf, noteFailure, under } from '../tracing/tracing.js';
import type { QueuedWork } from './queue.js';

/** From a text to an hour of embedding, in seconds. */
const BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200] as const;
/** Until a job says what it does first. */
const FIRST_STAGE = 'start';

/** How an attempt ended: it did its work; it failed for good; it will be tried again; there was nothing to do any more; another attempt has the job. */
export type WorkResult = 'finished' | 'failed' | 'put_back' | 'obsolete' | 'lost';

/** An attempt as it goes on. */
export interface ObservedAttempt {
  /** A stage ends where the next begins. */
  enter(stage: string): void;
}

/** What operators learn of the queue's work: every attempt is counted, its stages are timed, its lines in the log say which one it is, and it is a span in the trace of what put it in. */
@Injectable()
export class JobObservation {
  private readonly attempts: Counter<'kind' | 'result'>;
  private readonly stages: Histogram<'kind' | 'stage'>;

  constructor(metrics: Metrics) {
    this.attempts = metrics.counter('morag_job_attempts_total', 'Attempts at jobs and tasks that have ended', ['kind', 'result']);
    this.stages = metrics.histogram('morag_job_stage_duration_seconds', 'How long an attempt at a job was in a stage; a task has one', BUCKETS, ['kind', 'stage']);
  }

  /** `kind` is a type of jobs or the name of a task. What `run` throws counts as `failure`, and is thrown. */
  observe(kind: string, { id, data, trace }: QueuedWork, failure: WorkResult, run: (attempt: ObservedAttempt) => Promise<WorkResult>): Promise<void> {
    const { tenantId, jobId } = data;
    const span = beginSpan(`job ${kind}`, 'CONSUMER', trace, {
      'morag.job.kind': kind,
      ...(jobId !== undefined && { 'morag.job_id': jobId }),
      ...(tenantId !== undefined && { 'morag.tenant_id': tenantId }),
    });
    const fields: Record<string, string> = jobId === undefined ? { task: kind } : { job_id: jobId };
    const context = { fields, tenantId, trace: span ? contextOf(span) : (trace ?? traceOf(id)) };
    return rememberWork(context, () => under(span, () => this.measure(kind, span, failure, run)));
  }

  private async measure(kind: string, span: Span | undefined, failure: WorkResult, run: (attempt: ObservedAttempt) => Promise<WorkResult>): Promise<void> {
    let [stage, sinceMs] = [FIRST_STAGE, performance.now()];
    const leave = (): void => this.stages.observe({ kind, stage }, (performance.now() - sinceMs) / 1000);
    const enter = (next: string): void => {
      if (next === stage) return;
      leave();
      span?.addEvent(next);
      [stage, sinceMs] = [next, performance.now()];
    };
    let result = failure;
    try {
      result = await run({ enter });
      if (span && (result === 'failed' || result === 'put_back')) noteFailure(span, { code: result });
    } catch (error) {
      if (span) noteFailure(span, error);
      throw error;
    } finally {
      leave();
      this.attempts.inc({ kind, result });
      span?.setAttribute('morag.job.result', result).end();
    }
  }
}
