import type { Transactions } from '../persistence/transactions.js';
import { FencedCache } from './fenced-cache.js';
import type { Listener } from './listener.js';
import { HOLD_MS, LONGEST_MEMORY_MS, TenantChanges } from './tenant-changes.js';

const TENANT = 'tenant';

/** A listener that the test tells what to hear. */
class Ear {
  current = true;
  private connected = (): void => undefined;
  private readonly hearers = new Map<string, (payload: string) => void>();
  readonly processId = 1;

  isCurrent = (): boolean => this.current;
  onConnected = (listener: () => void): void => void (this.connected = listener);
  hear = (channel: string, hear: (payload: string) => void): void => void this.hearers.set(channel, hear);
  announce = async (): Promise<void> => undefined;

  connect(): void {
    this.connected();
  }

  tell(channel: string, payload: string): void {
    this.hearers.get(channel)?.(payload);
  }
}

describe('what is remembered of a tenant', () => {
  let ear: Ear;
  let cache: FencedCache<{ value: string }>;
  const later = (ms = HOLD_MS + 50): number => performance.now() + ms;
  const remember = (value = 'old', key = 'key') => cache.load(key, () => TENANT, async () => ({ value }));

  beforeEach(() => {
    ear = new Ear();
    const changes = new TenantChanges(ear as unknown as Listener, { noteWrite: () => undefined } as unknown as Transactions);
    cache = new FencedCache(changes, () => undefined);
    ear.connect();
  });

  it('is served while nothing changes, for five seconds, once the ear is trusted', async () => {
    await remember();
    expect(cache.get('key', performance.now())).toBeUndefined();
    expect(cache.get('key', later())).toEqual({ value: 'old' });
    expect(cache.get('key', later(LONGEST_MEMORY_MS))).toBeUndefined();
  });

  it('is not served after a change, and what was read before the change and arrives after it is not either', async () => {
    await remember();
    ear.tell('morag_tenant_changed', TENANT);
    expect(cache.get('key', later())).toBeUndefined();
    let arrive = (_: { value: string }): void => undefined;
    const loading = cache.load('key', () => TENANT, () => new Promise((resolve) => (arrive = resolve)));
    ear.tell('morag_tenant_changed', TENANT);
    arrive({ value: 'stale' });
    await loading;
    expect(cache.get('key', later())).toBeUndefined();
    await remember('new');
    expect(cache.get('key', later())).toEqual({ value: 'new' });
  });

  it('is not served for two seconds behind a fence, even if it was read within them', async () => {
    const fencedAt = performance.now();
    ear.tell('morag_tenant_fence', `${TENANT} token`);
    await remember('between');
    expect(cache.get('key', fencedAt + HOLD_MS - 50)).toBeUndefined();
  });

  it('does not come back to life with a new connection: a change may have gone unheard in between', async () => {
    await remember();
    expect(cache.get('key', later())).toEqual({ value: 'old' });
    ear.current = false;
    expect(cache.get('key', later())).toBeUndefined();
    ear.current = true;
    ear.connect();
    expect(cache.get('key', later())).toBeUndefined();
    await remember('new');
    expect(cache.get('key', later())).toEqual({ value: 'new' });
  });

  it('is forgotten when a look-up finds it gone', async () => {
    await remember();
    await cache.load('key', () => TENANT, async () => null);
    expect(cache.get('key', later())).toBeUndefined();
  });

  it('of another tenant stays', async () => {
    await remember();
    ear.tell('morag_tenant_changed', 'another');
    expect(cache.get('key', later())).toEqual({ value: 'old' });
  });
});
