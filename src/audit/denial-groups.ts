import type { ActorType } from './audit-entry.js';

/** What is the same of refusals that are recorded together. */
export interface DenialKind {
  tenantId: string;
  actorType: ActorType;
  actorId: string | null;
  apiKeyId: string | null;
  /** Whose account was tried, where nobody is signed in. */
  accountId: string | null;
  route: string;
  code: string;
}

/** From where, as the last of them had it. */
export interface DenialSource {
  requestId: string | null;
  ip: string | null;
  userAgent: string | null;
}

/** Refusals of one kind that are to be recorded. */
export interface CountedDenials extends DenialKind, DenialSource {
  count: number;
  firstAt: Date;
}

interface Group extends CountedDenials {
  /** In milliseconds; null until the first. */
  recordedAt: number | null;
}

/** Each kind is recorded at most so often, in milliseconds. */
export const RECORDED_EVERY_MS = 60_000;
const MOST_OF_TENANT = 50;
const MOST = 5000;
/** What does not fit any more is still counted, though not told apart. */
const OTHERS = { actorType: 'anonymous', actorId: null, apiKeyId: null, accountId: null, route: 'others', code: 'others' } as const;

/** Counts refusals by kind, in memory that does not grow with them: whoever sends a thousand a second leaves one entry a minute. */
export class DenialGroups {
  private readonly groups = new Map<string, Group>();
  private readonly sizes = new Map<string, number>();

  constructor(
    private readonly mostOfTenant = MOST_OF_TENANT,
    private readonly most = MOST,
  ) {}

  /** @param overflow whose count takes what is too much for all tenants together */
  note(kind: DenialKind, source: DenialSource, now: Date, overflow: string): void {
    const group = this.groupOf(kind, overflow, now);
    if (group.count === 0) group.firstAt = now;
    group.count += 1;
    Object.assign(group, source);
  }

  /** Those to be recorded now, which are forgotten with this: `giveBack` what could not be. `all` does not wait for a minute to pass. */
  take(now: Date, all = false): CountedDenials[] {
    const due: CountedDenials[] = [];
    for (const [name, group] of this.groups) {
      const isDue = group.recordedAt === null || now.getTime() - group.recordedAt >= RECORDED_EVERY_MS;
      if (group.count > 0 && (all || isDue)) {
        const { recordedAt: _, ...counted } = group;
        due.push(counted);
        group.count = 0;
        group.recordedAt = now.getTime();
      } else if (group.count === 0 && isDue) {
        this.groups.delete(name);
        this.sizes.set(group.tenantId, this.sizes.get(group.tenantId)! - 1);
        if (this.sizes.get(group.tenantId) === 0) this.sizes.delete(group.tenantId);
      }
    }
    return due;
  }

  /** They are recorded with the next. */
  giveBack(denials: readonly CountedDenials[], overflow: string): void {
    for (const { count, firstAt, requestId, ip, userAgent, ...kind } of denials) {
      const group = this.groupOf(kind, overflow, firstAt);
      if (group.count === 0) Object.assign(group, { requestId, ip, userAgent });
      group.count += count;
      group.firstAt = firstAt;
      group.recordedAt = null;
    }
  }

  private groupOf(kind: DenialKind, overflow: string, now: Date): Group {
    const name = nameOf(kind);
    const known = this.groups.get(name);
    if (known) return known;
    const isOther = kind.route === OTHERS.route;
    if (!isOther && (this.sizes.get(kind.tenantId) ?? 0) >= this.mostOfTenant) return this.groupOf({ ...OTHERS, tenantId: kind.tenantId }, overflow, now);
    if (this.groups.size >= this.most && kind.tenantId !== overflow) return this.groupOf({ ...OTHERS, tenantId: overflow }, overflow, now);
    const group: Group = { ...kind, requestId: null, ip: null, userAgent: null, count: 0, firstAt: now, recordedAt: null };
    this.groups.set(name, group);
    this.sizes.set(kind.tenantId, (this.sizes.get(kind.tenantId) ?? 0) + 1);
    return group;
  }
}

const nameOf = ({ tenantId, actorType, actorId, apiKeyId, accountId, route, code }: DenialKind): string => JSON.stringify([tenantId, actorType, actorId, apiKeyId, accountId, route, code]);
