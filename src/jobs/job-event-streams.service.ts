import { Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import { AppError } from '../common/errors.js';
import type { Principal, Readmission } from '../common/principal.js';
import { Transactions } from '../persistence/transactions.js';
import { JobDto } from './dto/job.dto.js';
import { JobEventStream } from './job-event-stream.js';
import { JobEventsRepository, type JobEvent } from './job-events.repository.js';
import type { JobEntity } from './job.entity.js';
import { JobNotFound, StreamsUsedUp, TooManyStreams } from './jobs.errors.js';
import { JobsRepository } from './jobs.repository.js';

const LOOK_MS = 500;
const HEARTBEAT_MS = 15_000;
/** So soon a stream ends whose credential was taken away. What is looked up is mostly remembered for longer. */
const READMISSION_MS = 2000;
const STREAMS_OF_TENANT = 50;
const STREAMS_OF_PROCESS = 1000;

interface Watcher {
  stream: JobEventStream;
  readmit: Readmission;
  admittedAtMs: number;
  isBeingReadmitted: boolean;
}

interface Opened {
  job: JobEntity;
  dto: JobDto;
  /** Those that the client has not seen; null when they cannot be told one by one. */
  missed: JobEvent[] | null;
}

const isEnded = (job: JobEntity): boolean => job.endedAt !== null;

/** Tells clients of this process what happens to their jobs. All of it is read in one statement twice a second, and none while nobody watches. */
@Injectable()
export class JobEventStreams implements BeforeApplicationShutdown {
  private readonly logger = new Logger(JobEventStreams.name);
  private readonly watchers = new Set<Watcher>();
  private timer: NodeJS.Timeout | undefined;
  private isLooking = false;
  private isStopping = false;

  constructor(
    private readonly transactions: Transactions,
    private readonly jobs: JobsRepository,
    private readonly events: JobEventsRepository,
  ) {}

  /** Before the server waits for its requests to end: these would not. Clients come back to another process, with the last event they saw. */
  beforeApplicationShutdown(): void {
    this.isStopping = true;
    for (const { stream } of this.watchers) stream.finish();
  }

  /**
   * @param lastSequence the last event that the client has seen, if any
   * @returns null when the client has seen the end
   * @throws JobNotFound, TooManyStreams, StreamsUsedUp
   */
  async open(principal: Principal, id: string, lastSequence: number | null, readmit: Readmission): Promise<JobEventStream | null> {
    this.requireRoom(principal.tenantId);
    const { job, dto, missed } = await this.read(principal, id, lastSequence);
    if (isEnded(job) && lastSequence === job.eventSequence) return null;
    this.requireRoom(principal.tenantId);
    const stream = new JobEventStream(principal.tenantId, dto, lastSequence ?? 0);
    this.watch({ stream, readmit, admittedAtMs: performance.now(), isBeingReadmitted: false });
    if (missed) for (const event of missed) stream.tell(event);
    else stream.tellPresent(job.eventSequence, isEnded(job));
    return stream;
  }

  private read(principal: Principal, id: string, lastSequence: number | null): Promise<Opened> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      const found = await this.jobs.findById(tx, id, principal.databaseIds);
      if (!found) throw new JobNotFound();
      const [job, dto] = [found.job, JobDto.from(found)];
      if (lastSequence === null || lastSequence > job.eventSequence) return { job, dto, missed: null };
      const missed = (await this.events.listAfter(tx, id, lastSequence)).filter(({ sequence }) => sequence <= job.eventSequence);
      return { job, dto, missed: missed.length === job.eventSequence - lastSequence ? missed : null };
    });
  }

  private requireRoom(tenantId: string): void {
    if (this.isStopping || this.watchers.size >= STREAMS_OF_PROCESS) throw new StreamsUsedUp();
    let ofTenant = 0;
    for (const { stream } of this.watchers) if (stream.tenantId === tenantId) ofTenant += 1;
    if (ofTenant >= STREAMS_OF_TENANT) throw new TooManyStreams(STREAMS_OF_TENANT);
  }

  private watch(watcher: Watcher): void {
    this.watchers.add(watcher);
    // Comes when the answer has ended and when the client hangs up.
    watcher.stream.once('close', () => {
      this.watchers.delete(watcher);
      if (this.watchers.size > 0) return;
      clearInterval(this.timer);
      this.timer = undefined;
    });
    this.timer ??= setInterval(() => void this.look(), LOOK_MS);
  }

  private async look(): Promise<void> {
    const nowMs = performance.now();
    for (const watcher of this.watchers) {
      watcher.stream.beat(nowMs, HEARTBEAT_MS);
      if (nowMs - watcher.admittedAtMs >= READMISSION_MS && !watcher.isBeingReadmitted) void this.readmit(watcher);
    }
    if (this.isLooking) return;
    this.isLooking = true;
    try {
      await this.tellNews();
    } catch (error) {
      this.logger.warn({ err: error }, 'what is new of watched jobs could not be read; the next look comes soon');
    } finally {
      this.isLooking = false;
    }
  }

  private async tellNews(): Promise<void> {
    const streams = [...this.watchers].map(({ stream }) => stream).filter(({ isFull, isFinished }) => !isFull && !isFinished);
    if (streams.length === 0) return;
    const news = await this.transactions.forSystem((tx) => this.events.listNews(tx, streams));
    for (const { at, event } of news) {
      const stream = streams[at]!;
      // The job was removed with its tenant; or its events, and coming back shows how it is.
      if (event === null) stream.finish();
      else stream.tell(event);
    }
  }

  /** A database that is away says nothing against anybody, and has nothing to tell either. */
  private async readmit(watcher: Watcher): Promise<void> {
    watcher.isBeingReadmitted = true;
    try {
      await watcher.readmit();
      watcher.admittedAtMs = performance.now();
    } catch (error) {
      if (error instanceof AppError && error.status < 500) watcher.stream.finish();
      else this.logger.warn({ err: error }, 'whether a client may still watch could not be looked up; the next look comes soon');
    } finally {
      watcher.isBeingReadmitted = false;
    }
  }
}
