import { Module } from '@nestjs/common';
import { DatabasesModule } from '../databases/databases.module.js';
import { DocumentsModule } from '../documents/documents.module.js';
import { HealthController } from './health.controller.js';

@Module({ imports: [DatabasesModule, DocumentsModule], controllers: [HealthController] })
export class HealthModule {}
