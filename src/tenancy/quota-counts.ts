import { Injectable } from '@nestjs/common';
import type { Resource } from './quota.entity.js';

/** What there is of some resources, told by the module whose rows they are. */
export interface QuotaCount {
  resources: readonly Resource[];
  /**
   * A query of `tenant_id`, `resource`, `used` and `reserved` (both bigint) for the tenants `ANY ($1)`; who has nothing may be left out. A text
   * and not a function, so that all of them and the counters can be asked in one statement, hence in one snapshot.
   */
  sql: string;
}

/** Where the modules that charge for their rows say how these are counted. */
@Injectable()
export class QuotaCounts {
  private readonly counts: QuotaCount[] = [];

  register(count: QuotaCount): void {
    this.counts.push(count);
  }

  /** Whose counters can be compared with what there is; calls are counted in a window and not in rows. */
  get resources(): Resource[] {
    return this.counts.flatMap(({ resources }) => resources);
  }

  get sql(): string {
    return this.counts.map(({ sql }) => `(${sql})`).join(' UNION ALL ');
  }
}
