import { Injectable } from '@nestjs/common';
import type { Verdict } from './rate-limits.js';

type HourListener = (tenantId: string, verdict: Verdict) => void;

/** Tells how full a tenant's hour is, with every call that is judged by it. */
@Injectable()
export class TenantHours {
  private listener: HourListener = () => undefined;

  /** There is one, and it answers at once: every request comes by here. */
  onCall(listener: HourListener): void {
    this.listener = listener;
  }

  tell(tenantId: string, verdict: Verdict): void {
    this.listener(tenantId, verdict);
  }
}
