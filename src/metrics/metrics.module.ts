import { Global, Module } from '@nestjs/common';
import { DependencyMetrics } from './dependency.metrics.js';
import { HealthChecks } from './health-checks.js';
import { Metrics } from './metrics.js';
import { MetricsController } from './metrics.controller.js';

@Global()
@Module({ controllers: [MetricsController], providers: [Metrics, HealthChecks, DependencyMetrics], exports: [Metrics, HealthChecks] })
export class MetricsModule {}
