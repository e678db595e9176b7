import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Refusals, type Refusal } from '../common/refusals.js';
import { Transactions } from '../persistence/transactions.js';
import { INSTALLATION } from './audit-entry.js';
import { DenialGroups, type DenialKind } from './denial-groups.js';
import { DenialsRepository, SIGN_IN } from './denials.repository.js';

const LOOK_EVERY_MS = 5000;
const USER_AGENT_CHARS = 256;
const DENIED = new Set([401, 403, 429]);

/** Null for what is no refusal of anybody in particular: whoever shows nothing is only asked to. */
function kindOf({ request, status, code }: Refusal): DenialKind | null {
  if (!DENIED.has(status)) return null;
  const route = `${request.method} ${request.routeOptions.url ?? ''}`;
  const { user, refused } = request;
  if (user) return { tenantId: user.tenantId, actorType: user.apiKeyId === null ? 'user' : 'api_key', actorId: user.userId, apiKeyId: user.apiKeyId, accountId: null, route, code };
  if (refused?.apiKeyId) return { tenantId: refused.tenantId, actorType: 'api_key', actorId: refused.userId, apiKeyId: refused.apiKeyId, accountId: null, route, code };
  // Whoever does not know the password need not be the person.
  const anonymous = { actorType: 'anonymous', actorId: null, apiKeyId: null, route, code } as const;
  if (refused) return { ...anonymous, tenantId: refused.tenantId, accountId: refused.userId };
  return route === SIGN_IN ? { ...anonymous, tenantId: INSTALLATION, accountId: null } : null;
}

/** Records refusals, behind the requests and bounded: nobody fills the audit, or slows down the server, by being refused. */
@Injectable()
export class Denials implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Denials.name);
  private readonly groups = new DenialGroups();
  private timer: NodeJS.Timeout | undefined;
  private recording: Promise<void> = Promise.resolve();

  constructor(
    private readonly transactions: Transactions,
    private readonly denials: DenialsRepository,
    refusals: Refusals,
  ) {
    refusals.listen((refusal) => this.note(refusal));
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.record(), LOOK_EVERY_MS);
    this.timer.unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.record(true);
  }

  /** One at a time. What cannot be written is kept for the next time. @param all also what was recorded less than a minute ago */
  record(all = false): Promise<void> {
    this.recording = this.recording.then(() => this.write(all));
    return this.recording;
  }

  private note(refusal: Refusal): void {
    const kind = kindOf(refusal);
    if (!kind) return;
    const { id, ip, headers } = refusal.request;
    this.groups.note(kind, { requestId: id, ip, userAgent: headers['user-agent']?.slice(0, USER_AGENT_CHARS) ?? null }, new Date(), INSTALLATION);
  }

  private async write(all: boolean): Promise<void> {
    const due = this.groups.take(new Date(), all);
    if (due.length === 0) return;
    try {
      await this.transactions.forSystem((tx) => this.denials.insert(tx, due));
    } catch (error) {
      this.groups.giveBack(due, INSTALLATION);
      this.logger.warn({ err: error }, 'refusals could not be recorded and are kept for the next time');
    }
  }
}
