import { Module, type DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Config } from '../config/config.js';
import { ExpiredLeases } from './expired-leases.js';
import { JobControlController } from './job-control.controller.js';
import { JobControlRepository } from './job-control.repository.js';
import { JobControl } from './job-control.service.js';
import { JobEventsController } from './job-events.controller.js';
import { JobEventsRepository } from './job-events.repository.js';
import { JobEventsRemoval } from './job-events-removal.js';
import { JobEventStreams } from './job-event-streams.service.js';
import { JobDeliveries } from './job-deliveries.js';
import { JobAdministration } from './job-administration.service.js';
import { JobEntity } from './job.entity.js';
import { JobObservation } from './job-observation.js';
import { JobLeases } from './job-leases.js';
import { JobRegistry } from './job-registry.js';
import { JobStatisticsController } from './job-statistics.controller.js';
import { JobStatisticsRepository } from './job-statistics.repository.js';
import { JobStatistics } from './job-statistics.service.js';
import { JobTurnsRepository } from './job-turns.repository.js';
import { JobsController } from './jobs.controller.js';
import { JobsRemoval } from './jobs-removal.service.js';
import { JobsRepository } from './jobs.repository.js';
import { JobsService } from './jobs.service.js';
import { JobsWorker } from './jobs.worker.js';
import { QueueEntriesRepository } from './queue-entries.repository.js';
import { QueueMonitorRepository } from './queue-monitor.repository.js';
import { QueueMonitor } from './queue-monitor.service.js';
import { QueueMetrics } from './queue.metrics.js';
import { Queue } from './queue.js';
import { RemoteJobsRepository } from './remote-jobs.repository.js';
import { RemoteJobs } from './remote-jobs.service.js';

@Module({})
export class JobsModule {
  static forRoot(databaseUrl: string): DynamicModule {
    return {
      module: JobsModule,
      global: true,
      imports: [TypeOrmModule.forFeature([JobEntity])],
      controllers: [JobStatisticsController, JobsController, JobControlController, JobEventsController],
      providers: [
        { provide: Queue, inject: [Config], useFactory: (config: Config) => new Queue(databaseUrl, { worker: config.env.ROLE !== 'api' }) },
        JobRegistry,
        JobsRepository,
        JobsService,
        JobDeliveries,
        JobTurnsRepository,
        JobControlRepository,
        JobControl,
        JobEventsRepository,
        JobEventStreams,
        JobEventsRemoval,
        JobStatisticsRepository,
        JobStatistics,
        QueueEntriesRepository,
        JobsRemoval,
        JobAdministration,
        JobLeases,
        JobObservation,
        RemoteJobsRepository,
        RemoteJobs,
        ExpiredLeases,
        JobsWorker,
        QueueMonitorRepository,
        QueueMonitor,
        QueueMetrics,
      ],
      exports: [JobRegistry, JobsService, RemoteJobs, JobsRemoval, JobAdministration, JobsWorker, QueueMonitor],
    };
  }
}
