import { Injectable } from '@nestjs/common';
import type { JobHandler, ScheduledTask, TaskHandler } from './job-handler.js';

/** Where product modules leave their handlers for the worker. */
@Injectable()
export class JobRegistry {
  readonly jobs: JobHandler[] = [];
  readonly tasks: TaskHandler[] = [];
  readonly schedules: ScheduledTask[] = [];

  /** Undefined when the type is another version's. */
  handlerOf(type: string): JobHandler | undefined {
    return this.jobs.find((handler) => handler.type === type);
  }

  registerJob(handler: JobHandler): void {
    this.jobs.push(handler);
  }

  registerTask(handler: TaskHandler): void {
    this.tasks.push(handler);
  }

  registerSchedule(task: ScheduledTask): void {
    this.schedules.push(task);
  }
}
