import { Injectable, Logger } from '@nestjs/common';
import { HealthChecks, type HealthStatus } from './health-checks.js';
import { Metrics } from './metrics.js';
import { RememberedLook } from './remembered-look.js';

/** Longer than a check may hang before what it asks counts as down. */
const PATIENCE_MS = 3000;
const VALUES: Readonly<Record<HealthStatus, number>> = { up: 1, degraded: 0.5, down: 0 };

/** What `/admin/health` says of the dependencies, for Prometheus: as this process sees them. */
@Injectable()
export class DependencyMetrics {
  constructor(metrics: Metrics, checks: HealthChecks) {
    const findings = new RememberedLook('the dependencies', new Logger(DependencyMetrics.name), () => checks.run(), PATIENCE_MS);
    metrics.gaugeBy('morag_dependency_up', 'Whether what the server depends on works: 1, 0.5 when it works worse than it should, 0', 'dependency', async () =>
      Object.fromEntries(((await findings.read()) ?? []).map(({ name, status }) => [name, VALUES[status]])),
    );
    const bytes = (detail: string) => async () =>
      Object.fromEntries(((await findings.read()) ?? []).flatMap(({ name, details }) => (typeof details[detail] === 'number' ? [[name, details[detail]]] : [])));
    metrics.gaugeBy('morag_disk_free_bytes', 'Room that is left on the disk of a dependency that has one', 'dependency', bytes('free_bytes'));
    metrics.gaugeBy('morag_disk_total_bytes', 'Size of that disk', 'dependency', bytes('total_bytes'));
  }
}
