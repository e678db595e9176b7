import { Readable } from 'node:stream';
import type { JobDto } from './dto/job.dto.js';
import type { JobEvent, WatchedJob } from './job-events.repository.js';

/** The first thing a client sees, so that it knows that it is connected; and how soon it shall come back after a break, in milliseconds. */
const GREETING = 'retry: 2000\n\n';
const HEARTBEAT = ': still here\n\n';

const dateOf = (text: string | null): Date | null => (text === null ? null : new Date(text));

function asJobDto(known: JobDto, { job }: JobEvent): JobDto {
  const { status, percentage, stage, summary, attempt, max_attempts, error } = job;
  return { ...known, status, percentage, stage, summary, attempt, max_attempts, error, start_date: dateOf(job.started_at), end_date: dateOf(job.ended_at), updated_at: new Date(job.updated_at) };
}

/** One watched job as text/event-stream (WHATWG HTML, "Server-sent events"). A client that reads slowly is told the rest later. */
export class JobEventStream extends Readable implements WatchedJob {
  sequence: number;
  /** Whether the client has not yet taken what it was told. */
  isFull = false;
  isFinished = false;
  private toldAtMs = performance.now();

  constructor(
    readonly tenantId: string,
    /** As it was when the stream was opened. */
    private readonly known: JobDto,
    lastSequence: number,
  ) {
    super();
    this.sequence = lastSequence;
    this.write(GREETING);
  }

  get jobId(): string {
    return this.known.id;
  }

  /** The job as it is, in place of the events that led there. */
  tellPresent(sequence: number, isEnded: boolean): void {
    this.send(sequence, isEnded ? 'end' : 'status', this.known);
  }

  tell(event: JobEvent): void {
    this.send(event.sequence, event.kind, asJobDto(this.known, event));
  }

  /** A comment now and then keeps proxies from closing a connection on which nothing happens, and finds out that nobody is there any more. */
  beat(nowMs: number, everyMs: number): void {
    if (nowMs - this.toldAtMs >= everyMs && !this.isFull && !this.isFinished) this.write(HEARTBEAT);
  }

  finish(): void {
    if (this.isFinished) return;
    this.isFinished = true;
    this.push(null);
  }

  override _read(): void {
    this.isFull = false;
  }

  private send(sequence: number, kind: JobEvent['kind'], job: JobDto): void {
    if (this.isFinished) return;
    this.sequence = sequence;
    this.write(`id: ${sequence}\nevent: ${kind}\ndata: ${JSON.stringify(job)}\n\n`);
    if (kind === 'end') this.finish();
  }

  private write(text: string): void {
    this.toldAtMs = performance.now();
    this.isFull = !this.push(text);
  }
}
