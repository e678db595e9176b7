import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { EventSubscriber, PublishedEvent } from '../../src/events/event.js';
import { Outbox } from '../../src/events/outbox.js';
import { Transactions, type TenantTx } from '../../src/persistence/transactions.js';
import { eventually } from '../support/factories.js';
import { ServerProcess } from '../support/server-process.js';
import { TestApp } from '../support/test-app.js';
import { TestDatabase } from '../support/test-database.js';

const OUTBOX_PROCESS = path.resolve('test/support/outbox-process.mjs');
/** Subscribers with this one's effect wait for it: whoever holds it exclusively stops them in the middle of their transaction. */
const GATE = 4711;

interface Effect {
  eventId: string;
  subscriber: string;
}

/** Where subscribers of these tests write, without any constraint that would hide a second time. */
async function createEffects(database: TestDatabase): Promise<void> {
  await database.query('CREATE TABLE effects (at bigint GENERATED ALWAYS AS IDENTITY, event_id uuid NOT NULL, subscriber text NOT NULL)');
  await database.query('GRANT SELECT, INSERT ON effects TO morag_app');
}

const effectsIn = (database: TestDatabase): Promise<Effect[]> => database.query<{ eventId: string; subscriber: string }>('SELECT event_id AS "eventId", subscriber FROM effects ORDER BY at');
const undispatchedIn = (database: TestDatabase): Promise<object[]> => database.query('SELECT id FROM events WHERE dispatched_at IS NULL');
const sorted = (ids: readonly string[]): string[] => ids.toSorted();

async function addTenant(database: TestDatabase): Promise<string> {
  const id = randomUUID();
  await database.query('INSERT INTO tenants (id) VALUES ($1)', [id]);
  return id;
}

describe('the outbox', () => {
  let server: TestApp;
  let outbox: Outbox;
  let transactions: Transactions;
  let tenantId: string;

  beforeAll(async () => {
    server = await TestApp.start();
    await createEffects(server.database);
    outbox = server.app.get(Outbox, { strict: false });
    transactions = server.app.get(Transactions, { strict: false });
  });
  beforeEach(async () => {
    tenantId = await addTenant(server.database);
  });
  afterAll(() => server.stop());

  const publish = (type: string, of = tenantId, count = 1): Promise<void> =>
    transactions.forTenant(of, async (tx) => {
      for (let at = 0; at < count; at++) await outbox.publish(tx, { type, payload: { at } });
    });
  const note = (tx: TenantTx, event: PublishedEvent, subscriber: string): Promise<unknown> => tx.manager.query('INSERT INTO effects (event_id, subscriber) VALUES ($1, $2)', [event.id, subscriber]);
  const eventsOf = (type: string): Promise<{ id: string; attempts: number; handledBy: string[]; isDispatched: boolean }[]> =>
    server.database.query(`SELECT id, attempts, handled_by AS "handledBy", dispatched_at IS NOT NULL AS "isDispatched" FROM events WHERE type = $1 ORDER BY sequence`, [type]);
  const effectsOf = async (type: string): Promise<Effect[]> => {
    const ids = new Set((await eventsOf(type)).map(({ id }) => id));
    return (await effectsIn(server.database)).filter(({ eventId }) => ids.has(eventId));
  };
  const dispatched = (type: string, count: number) => eventually(() => eventsOf(type), (events) => events.length === count && events.every(({ isDispatched }) => isDispatched));

  const announce = (): Promise<unknown> => server.database.query(`SELECT pg_notify('morag_event', $1)`, [tenantId]);

  /** One that fails as often as the test says, and again only when somebody has looked. */
  function failing(type: string, times: number, looked: Promise<void>): EventSubscriber & { failures: number } {
    return {
      name: `fails-${type}`,
      types: [type],
      failures: 0,
      async handle(tx, event) {
        await note(tx, event, this.name);
        if (this.failures > 0) await looked;
        if (this.failures < times) throw new Error(`failure ${++this.failures}`);
      },
    };
  }

  it('tells each subscriber of what it asked for, once, and of nothing that was rolled back', async () => {
    const committed: PublishedEvent[] = [];
    outbox.subscribe({ name: 'first', types: ['told.once'], handle: async (tx, event) => void (await note(tx, event, 'first')), committed: (event) => committed.push(event) });
    outbox.subscribe({ name: 'second', types: ['told.once', 'told.otherwise'], handle: async (tx, event) => void (await note(tx, event, 'second')) });
    await expect(
      transactions.forTenant(tenantId, async (tx) => {
        await outbox.publish(tx, { type: 'told.once', payload: { never: true } });
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    await publish('told.once');
    const [event] = await dispatched('told.once', 1);
    expect(event).toMatchObject({ attempts: 1, handledBy: ['first', 'second'] });
    expect(event!.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]/);
    expect(Math.abs(Number.parseInt(event!.id.replaceAll('-', '').slice(0, 12), 16) - Date.now())).toBeLessThan(60_000);
    expect(await effectsOf('told.once')).toEqual([{ eventId: event!.id, subscriber: 'first' }, { eventId: event!.id, subscriber: 'second' }]);
    await eventually(async () => committed, (events) => events.length === 1);
    expect(committed[0]).toMatchObject({ id: event!.id, tenantId, type: 'told.once', payload: { at: 0 }, createdAt: expect.any(Date) });
  });

  it('keeps the order of a tenant', async () => {
    outbox.subscribe({ name: 'in-order', types: ['told.orderly'], handle: async (tx, event) => void (await note(tx, event, 'in-order')) });
    await Promise.all([publish('told.orderly', tenantId, 30), publish('told.orderly', await addTenant(server.database), 30)]);
    const events = await dispatched('told.orderly', 60);
    const mine = new Set((await server.database.query<{ id: string }>('SELECT id FROM events WHERE tenant_id = $1', [tenantId])).map(({ id }) => id));
    const told = (await effectsOf('told.orderly')).map(({ eventId }) => eventId);
    expect(told.filter((id) => mine.has(id))).toEqual(events.map(({ id }) => id).filter((id) => mine.has(id)));
    expect(told.filter((id) => !mine.has(id))).toEqual(events.map(({ id }) => id).filter((id) => !mine.has(id)));
  });

  it('asks one that fails again, later and later, and holds up neither the others nor what comes next', async () => {
    const { promise: looked, resolve: hasLooked } = Promise.withResolvers<void>();
    const subscriber = failing('told.stubbornly', 2, looked);
    outbox.subscribe(subscriber);
    outbox.subscribe({ name: 'beside', types: ['told.stubbornly', 'told.after'], handle: async (tx, event) => void (await note(tx, event, 'beside')) });
    await publish('told.stubbornly');
    const [waiting] = await eventually(() => eventsOf('told.stubbornly'), ([event]) => event?.attempts === 1);
    expect(waiting).toMatchObject({ isDispatched: false, handledBy: ['beside'] });
    expect(await effectsOf('told.stubbornly')).toEqual([{ eventId: waiting!.id, subscriber: 'beside' }]);
    hasLooked();
    await publish('told.after');
    await dispatched('told.after', 1);
    // As soon as it is due, and not with the next poll.
    const [done] = await eventually(async () => (await announce(), eventsOf('told.stubbornly')), ([event]) => event?.isDispatched === true);
    expect(done).toMatchObject({ attempts: 3, handledBy: ['beside', subscriber.name] });
    // Neither the failures nor the success of the other one left anything twice.
    expect(await effectsOf('told.stubbornly')).toEqual([{ eventId: done!.id, subscriber: 'beside' }, { eventId: done!.id, subscriber: subscriber.name }]);
    const { body } = await server.anonymous.get<string>('/metrics');
    expect(body).toContain(`morag_event_failures_total{subscriber="${subscriber.name}"} 2`);
    const delays = await server.database.query<{ delay: number }>(`SELECT extract(epoch FROM due_at - dispatched_at)::float8 AS delay FROM events WHERE type = 'told.stubbornly'`);
    expect(delays[0]!.delay).toBeCloseTo(4, 0);
  });

  it('lets an event that breaks its connection stand aside for those behind it', async () => {
    let breaks = 1;
    outbox.subscribe({
      name: 'breaks',
      types: ['told.breaking'],
      async handle(tx, event) {
        await note(tx, event, 'breaks');
        if (event.payload['at'] !== 0 || breaks-- <= 0) return;
        await tx.manager.query(`SELECT set_config('idle_in_transaction_session_timeout', '1', true)`);
        await delay(300);
      },
    });
    await publish('told.breaking', tenantId, 2);
    const events = await dispatched('told.breaking', 2);
    expect(events.map(({ attempts }) => attempts)).toEqual([2, 1]);
    expect((await effectsOf('told.breaking')).map(({ eventId }) => eventId)).toEqual([events[1]!.id, events[0]!.id]);
  });

  it('forgets what was dispatched more than 30 days ago, and nothing else', async () => {
    await publish('kept.dispatched', tenantId, 3);
    await dispatched('kept.dispatched', 3);
    await server.database.query(`UPDATE events SET dispatched_at = now() - interval '31 days' WHERE type = 'kept.dispatched' AND payload ->> 'at' = '0'`);
    await server.database.query(`UPDATE events SET created_at = now() - interval '31 days', dispatched_at = NULL, due_at = 'infinity' WHERE type = 'kept.dispatched' AND payload ->> 'at' = '1'`);
    await outbox.removeOld(new AbortController().signal);
    const left = await server.database.query(`SELECT payload ->> 'at' AS at FROM events WHERE type = 'kept.dispatched' ORDER BY sequence`);
    expect(left).toEqual([{ at: '1' }, { at: '2' }]);
  });

  it('refuses a second subscriber of one name', () => {
    outbox.subscribe({ name: 'unique', types: [] });
    expect(() => outbox.subscribe({ name: 'unique', types: [] })).toThrow('there is a subscriber named unique already');
  });
});

describe('two processes that dispatch events', () => {
  let database: TestDatabase;
  let dataDir: string;
  let gate: pg.Client;
  const processes: ServerProcess[] = [];

  async function start(): Promise<ServerProcess> {
    const started = await ServerProcess.start({ DATABASE_URL: database.url, DATA_DIR: dataDir, ROLE: 'api', NODE_ENV: 'test', ADMIN_PASSWORD: 'the-test-administrator' }, OUTBOX_PROCESS);
    processes.push(started);
    return started;
  }

  beforeAll(async () => {
    database = await TestDatabase.create();
    await createEffects(database);
    dataDir = await mkdtemp(path.join(tmpdir(), 'morag-outbox-'));
    gate = new pg.Client({ connectionString: database.superuserUrl });
    await gate.connect();
  });
  beforeEach(() => database.query('TRUNCATE effects, events'));
  afterEach(async () => void (await Promise.all(processes.splice(0).map((process) => process.end('SIGKILL')))));
  afterAll(async () => {
    await gate.end();
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  async function publish(tenants: number, each: number): Promise<string[]> {
    const ids: string[] = [];
    for (let tenant = 0; tenant < tenants; tenant++) {
      const tenantId = await addTenant(database);
      const rows = await database.query<{ id: string }>(`INSERT INTO events (tenant_id, type, payload) SELECT $1, 'test.happened', '{}' FROM generate_series(1, $2) RETURNING id`, [tenantId, each]);
      ids.push(...rows.map(({ id }) => id));
    }
    return ids;
  }
  const inTheMiddle = async (): Promise<number> => (await database.query(`SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database() AND locktype = 'advisory' AND objid = ${GATE} AND NOT granted`)).length;

  it('let each effect happen once', async () => {
    await Promise.all([start(), start()]);
    const ids = await publish(8, 25);
    await eventually(() => undispatchedIn(database), (left) => left.length === 0);
    expect(sorted((await effectsIn(database)).map(({ eventId }) => eventId))).toEqual(sorted(ids));
  });

  it('lose nothing and double nothing when one is killed in the middle', async () => {
    const [first] = await Promise.all([start(), start()]);
    await gate.query('SELECT pg_advisory_lock($1)', [GATE]);
    const ids = await publish(8, 5);
    // Two tenants at once in each of them, each with its effect written and not committed.
    await eventually(inTheMiddle, (waiting) => waiting === 4);
    expect(await effectsIn(database)).toEqual([]);
    await first.end('SIGKILL');
    await gate.query('SELECT pg_advisory_unlock($1)', [GATE]);
    await eventually(() => undispatchedIn(database), (left) => left.length === 0);
    expect(sorted((await effectsIn(database)).map(({ eventId }) => eventId))).toEqual(sorted(ids));
  });
});
