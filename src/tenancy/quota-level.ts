/** How full a quota is: below its warning threshold, at or above it, or at its limit (or above, when the limit was lowered). */
export const QUOTA_LEVELS = ['below', 'warning', 'reached'] as const;
export type QuotaLevel = (typeof QUOTA_LEVELS)[number];

interface Measures {
  hardLimit: number | null;
  used: number;
  reserved: number;
  warningThreshold: number;
}

/** From how many on the warning holds. */
export const warnsFrom = (hardLimit: number, warningThreshold: number): number => Math.ceil((hardLimit * warningThreshold) / 100);

/** What `tenant_quotas.level` would be. Exact up to a limit of 10¹³: for calls, which are not counted in that table. */
export function levelOf({ hardLimit, used, reserved, warningThreshold }: Measures): QuotaLevel {
  const taken = used + reserved;
  if (hardLimit === null) return 'below';
  if (taken >= hardLimit) return 'reached';
  return taken >= warnsFrom(hardLimit, warningThreshold) ? 'warning' : 'below';
}

/** The quota on the level that fits its numbers, after they were replaced by those of a window. */
export const atLevel = <Quota extends Measures>(quota: Quota): Quota & { level: QuotaLevel } => ({ ...quota, level: levelOf(quota) });

export const isHigher = (level: QuotaLevel, other: QuotaLevel): boolean => QUOTA_LEVELS.indexOf(level) > QUOTA_LEVELS.indexOf(other);
