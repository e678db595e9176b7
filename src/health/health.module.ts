import { Module } from '@nestjs/common';
import { DatabasesModule } from '../databases/databases.module.js';
import { HealthController } from './health.controller.js';

@Module({ imports: [DatabasesModule], controllers: [HealthController] })
export class HealthModule {}
