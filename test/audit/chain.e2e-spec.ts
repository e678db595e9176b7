import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { AuditUpkeep } from '../../src/audit/audit-upkeep.service.js';
import { AuditVerification, type ChainHead, type ChainReport } from '../../src/audit/audit-verification.js';
import { Months } from '../../src/persistence/months.js';
import { createTenant, type Tenant } from '../support/factories.js';
import { insistOn, untilAnswered } from '../support/insisting.js';
import { TestApp } from '../support/test-app.js';

const NOBODY = '00000000-0000-0000-0000-000000000000';

describe('the chain of the audit', () => {
  let server: TestApp;
  let superuser: pg.Client;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start();
    superuser = new pg.Client({ connectionString: server.database.superuserUrl });
    await superuser.connect();
    tenant = await createTenant(server.anonymous);
    for (let n = 1; n <= 4; n++) await rename(n);
  });
  afterAll(async () => {
    await superuser.end();
    await server.stop();
  });

  async function rename(n: number, who = tenant): Promise<void> {
    expect((await who.client.put('/auth/me', { name: `Somebody ${n}` })).status).toBe(200);
  }

  async function verify(tenantId = tenant.tenantId, anchor?: ChainHead): Promise<ChainReport> {
    const anchors = new Map(anchor ? [[tenantId, anchor]] : []);
    for await (const report of server.app.get(AuditVerification, { strict: false }).verify(tenantId, anchors)) return report;
    throw new Error('no report');
  }

  /** Columns that can be written. */
  async function columnsOf(table: string): Promise<string> {
    const { rows } = await superuser.query<{ columns: string }>(
      `SELECT string_agg(quote_ident(attname), ', ') AS columns FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`,
      [table],
    );
    return rows[0]!.columns;
  }

  /** What verification says after somebody who may do anything did this to the tables, with all triggers off; it is taken back. */
  async function after(tamper: () => Promise<unknown>, anchor?: ChainHead): Promise<ChainReport> {
    const tables = ['audit_entries', 'audit_links', 'audit_heads', 'audit_checkpoints'];
    for (const table of tables) await superuser.query(`CREATE TEMPORARY TABLE saved_${table} AS SELECT * FROM ${table}`);
    await superuser.query(`SET session_replication_role = replica`);
    try {
      await tamper();
      return await verify(tenant.tenantId, anchor);
    } finally {
      await superuser.query(`SET session_replication_role = replica`);
      for (const table of tables) {
        const columns = await columnsOf(table);
        await superuser.query(`DELETE FROM ${table}`);
        await superuser.query(`INSERT INTO ${table} (${columns}) SELECT ${columns} FROM saved_${table}`);
        await superuser.query(`DROP TABLE saved_${table}`);
      }
      await superuser.query(`SET session_replication_role = DEFAULT`);
    }
  }

  const afterTampering = (sql: string, values: unknown[] = [], anchor?: ChainHead): Promise<ChainReport> =>
    after(async () => expect((await superuser.query(sql, values)).rowCount).toBeGreaterThan(0), anchor);

  /** Has the database link a tenant's entries once more, as it does at every commit, after they were changed. */
  async function linkAnew(tenantId: string, change: string): Promise<void> {
    const columns = await columnsOf('audit_entries');
    await superuser.query(`CREATE TEMPORARY TABLE anew AS SELECT e.*, l.sequence AS place FROM audit_entries e JOIN audit_links l ON l.tenant_id = e.tenant_id AND l.entry_id = e.id WHERE e.tenant_id = '${tenantId}'`);
    for (const table of ['audit_heads', 'audit_links', 'audit_entries']) await superuser.query(`DELETE FROM ${table} WHERE tenant_id = $1`, [tenantId]);
    await superuser.query(`UPDATE anew SET ${change}`);
    await superuser.query('SET session_replication_role = DEFAULT');
    await superuser.query(`INSERT INTO audit_entries (${columns}) SELECT ${columns} FROM anew ORDER BY place`);
    await superuser.query('DROP TABLE anew');
  }

  async function entryAt(sequence: number): Promise<string> {
    const [row] = await server.database.query<{ id: string }>('SELECT entry_id AS id FROM audit_links WHERE tenant_id = $1 AND sequence = $2', [tenant.tenantId, sequence]);
    return row!.id;
  }

  it('is whole, begins with the first entry and misses none', async () => {
    const [{ entries }] = (await server.database.query<{ entries: number }>('SELECT count(*)::int AS entries FROM audit_entries WHERE tenant_id = $1', [tenant.tenantId])) as [{ entries: number }];
    expect(entries).toBeGreaterThan(7);
    expect(await verify()).toEqual({ tenantId: tenant.tenantId, entries, erased: 0, head: { sequence: entries, hash: expect.stringMatching(/^[\da-f]{64}$/) }, problem: null });
  });

  describe('names the first row', () => {
    it.each([
      ['actor_id', `gen_random_uuid()`],
      ['actor_type', `'system'`],
      ['action', `'user.looked_at'`],
      ['target_id', 'NULL'],
      ['result', `'failed'`],
      ['request_id', `'x'`],
      ['created_at', `created_at - interval '1 day'`],
      ['changes', `'{}'`],
      ['ip', `'192.0.2.99'`],
      ['user_agent', 'NULL'],
      ['target_name', `'Somebody else'`],
      ['salt', `'\\x00'`],
    ])('that was altered: %s', async (column, value) => {
      const id = await entryAt(6);
      const { problem } = await afterTampering(`UPDATE audit_entries SET ${column} = ${value} WHERE id = $1`, [id]);
      expect(problem).toMatch(new RegExp(`entry ${id} \\(link 6\\).* altered`));
    });

    it('that was removed, with its link or without', async () => {
      const id = await entryAt(5);
      expect((await afterTampering('DELETE FROM audit_entries WHERE id = $1', [id])).problem).toBe(`entry ${id} (link 5) is missing`);
      const both = await afterTampering('WITH gone AS (DELETE FROM audit_entries WHERE id = $1) DELETE FROM audit_links WHERE entry_id = $1', [id]);
      expect(both.problem).toBe('link 5 is missing');
    });

    it('that was put in', async () => {
      const { problem } = await afterTampering(`INSERT INTO audit_entries (tenant_id, actor_type, action, target_type) VALUES ($1, 'system', 'user.invented', 'user')`, [tenant.tenantId]);
      expect(problem).toMatch(/^entry [\da-f-]{36} was inserted/);
    });

    it('of two that have changed places', async () => {
      const [fourth, fifth] = [await entryAt(4), await entryAt(5)];
      const { problem } = await afterTampering('UPDATE audit_links SET entry_id = CASE entry_id WHEN $1::uuid THEN $2::uuid ELSE $1::uuid END WHERE entry_id IN ($1, $2)', [fourth, fifth]);
      expect(problem).toBe(`entry ${fifth} (link 4) was altered, or is not in its place`);
    });

    it('whose details were erased though the tenant is not being purged', async () => {
      const id = await entryAt(5);
      const { problem } = await afterTampering('UPDATE audit_entries SET changes = NULL, ip = NULL, user_agent = NULL, target_name = NULL, salt = NULL WHERE id = $1', [id]);
      expect(problem).toBe(`the details of entry ${id} (link 5) were erased, and no purge of the tenant was requested`);
    });
  });

  it('shows by an anchor, and by nothing else, that its end was cut off', async () => {
    const { head } = await verify();
    const cut = `WITH gone AS (DELETE FROM audit_links WHERE tenant_id = $1 AND sequence > 4 RETURNING entry_id) DELETE FROM audit_entries WHERE id IN (SELECT entry_id FROM gone)`;
    expect((await afterTampering(cut, [tenant.tenantId])).problem).toBeNull();
    expect((await afterTampering(cut, [tenant.tenantId], head!)).problem).toBe(`link 5 is missing: the chain ends before the ${head!.sequence} links that were anchored`);
  });

  it('shows by an anchor that it was made anew by somebody who knows how', async () => {
    const { head } = await verify();
    const anew = (): Promise<void> => linkAnew(tenant.tenantId, `actor_type = CASE place WHEN 3 THEN 'system' ELSE actor_type END`);
    expect(await after(anew)).toMatchObject({ problem: null, head: { sequence: head!.sequence } });
    expect((await after(anew, head!)).problem).toBe(`link ${head!.sequence} is not the one that was anchored: the chain was made anew`);
  });

  it('is unbroken after writers of two servers at once', async () => {
    const other = await server.beside({ ROLE: 'api' });
    try {
      const before = (await verify()).head!.sequence;
      const clients = [tenant.client, other.anonymous.asUser(tenant.token)];
      const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => untilAnswered(() => clients[n % 2]!.patch('/api/v1/tenant/configuration', { default_chunk_size: 1000 + n }))));
      expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
      const { problem, head } = await verify();
      expect([problem, head!.sequence]).toEqual([null, before + 40]);
    } finally {
      await other.app.close();
    }
  });

  it('of several tenants is linked in one order, so that no two transactions wait for each other', async () => {
    const [a, b] = [randomUUID(), randomUUID()];
    for (const id of [a, b]) await server.database.query(`INSERT INTO tenants (id) VALUES ($1)`, [id]);
    const touch = async (client: pg.Client, ids: string[]): Promise<void> => {
      await client.query('BEGIN');
      for (const id of ids) await client.query(`INSERT INTO audit_entries (tenant_id, actor_type, action, target_type) VALUES ($1, 'system', 'tenant.tried', 'tenant')`, [id]);
      await client.query('COMMIT');
    };
    const clients = await Promise.all(Array.from({ length: 4 }, async () => {
      const client = new pg.Client({ connectionString: server.database.superuserUrl });
      await client.connect();
      return client;
    }));
    try {
      for (let round = 0; round < 25; round++) await Promise.all(clients.map((client, n) => touch(client, n % 2 === 0 ? [a, b] : [b, a])));
    } finally {
      await Promise.all(clients.map((client) => client.end()));
    }
    for (const id of [a, b]) expect(await verify(id)).toMatchObject({ entries: 100, problem: null });
  });

  describe('when entries are older than they are kept', () => {
    const upkeep = (): Promise<void> => insistOn(() => server.app.get(AuditUpkeep, { strict: false }).removeOld(new AbortController().signal));
    const monthsOf = async (table: string): Promise<string[]> => (await server.database.query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relname ~ '^${table}_\\d{4}_\\d\\d$' ORDER BY 1`)).map(({ name }) => name.slice(-7));

    it('begins behind a checkpoint, goes on, and can still be verified', async () => {
      const old = await createTenant(server.anonymous);
      for (let n = 1; n <= 4; n++) await rename(n, old);
      // As if all but the last had been written before the middle of an old month, or at the very beginning of the next, and one of these committed among the former.
      const edge = `date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '15 months'`;
      const written = `CASE place WHEN 2 THEN ${edge} + interval '1 second' WHEN (SELECT max(place) FROM anew) THEN created_at ELSE ${edge} - interval '1 minute' END`;
      await linkAnew(old.tenantId, `created_at = ${written}, id = (lpad(to_hex((extract(epoch FROM ${written}) * 1000)::bigint), 12, '0') || right(replace(id::text, '-', ''), 20))::uuid`);
      const present = await monthsOf('audit_links');
      await insistOn(() => server.app.get(Months, { strict: false }).open());
      expect(await monthsOf('audit_links')).toHaveLength(present.length + 2);
      expect(await server.database.query('SELECT FROM partitions.audit_entries_default UNION ALL SELECT FROM partitions.audit_links_default')).toEqual([]);
      const before = await verify(old.tenantId);
      expect(before).toMatchObject({ problem: null, entries: before.head!.sequence });
      await upkeep();
      const after = await verify(old.tenantId, before.head!);
      expect(after).toEqual({ ...before, entries: 1 });
      for (const table of ['audit_links', 'audit_entries']) expect(await monthsOf(table)).toEqual(present);
      await rename(5, old);
      expect(await verify(old.tenantId, before.head!)).toMatchObject({ entries: 2, problem: null, head: { sequence: before.head!.sequence + 1 } });
      // And nothing that is younger, of anybody.
      expect(await verify()).toMatchObject({ problem: null, entries: (await verify()).head!.sequence });
    });

    it('keeps a month of which a link or an entry is missing, and all that came later, to be found', async () => {
      const old = await createTenant(server.anonymous);
      for (let n = 1; n <= 3; n++) await rename(n, old);
      const written = `created_at - interval '500 days'`;
      await linkAnew(old.tenantId, `created_at = ${written}, id = (lpad(to_hex((extract(epoch FROM ${written}) * 1000)::bigint), 12, '0') || right(replace(id::text, '-', ''), 20))::uuid`);
      await insistOn(() => server.app.get(Months, { strict: false }).open());
      const present = await monthsOf('audit_links');
      await after(async () => {
        await superuser.query('WITH gone AS (DELETE FROM audit_links WHERE tenant_id = $1 AND sequence = 2 RETURNING entry_id) DELETE FROM audit_entries WHERE id IN (SELECT entry_id FROM gone)', [old.tenantId]);
        await upkeep();
      });
      expect(await monthsOf('audit_links')).toEqual(present);
      await after(async () => {
        await superuser.query('DELETE FROM audit_entries WHERE tenant_id = $1 AND id = (SELECT entry_id FROM audit_links WHERE tenant_id = $1 AND sequence = 2)', [old.tenantId]);
        await upkeep();
      });
      expect(await monthsOf('audit_links')).toEqual(present);
      await upkeep();
      expect(await verify(old.tenantId)).toMatchObject({ problem: null, entries: 0 });
      expect((await monthsOf('audit_links')).length).toBeLessThan(present.length);
    });

    it('refuses to remove what is younger than thirty days, whoever asks', async () => {
      await expect(superuser.query(`SELECT drop_audit_month('2020-01-01', 29)`)).rejects.toThrow('kept for 30 days');
      await expect(superuser.query(`SELECT drop_audit_month(date_trunc('month', now() - interval '31 days')::date, 30)`)).rejects.toThrow('younger than 30 days');
      await expect(superuser.query(`SELECT drop_month('{audit_links}', '2020-01-01', false)`)).rejects.toThrow('by drop_audit_month');
    });

    it('erases details of a tenant that is being purged only', async () => {
      await expect(superuser.query('SELECT erase_audit_details($1, $2, 100)', [tenant.tenantId, NOBODY])).rejects.toThrow('only of a tenant that is being purged');
    });
  });

  describe('is closed to', () => {
    const REFUSED = '42501';

    async function attempts(role: string | null): Promise<string[]> {
      const login = new pg.Client({ connectionString: server.database.url });
      await login.connect();
      try {
        const outcomes: string[] = [];
        const statements = ['audit_entries', 'audit_links', 'audit_heads', 'audit_checkpoints'].flatMap((table) => [
          `UPDATE ${table} SET tenant_id = tenant_id`, `DELETE FROM ${table}`, `TRUNCATE ${table}`, `ALTER TABLE ${table} DISABLE TRIGGER ALL`,
        ]);
        statements.push(
          `INSERT INTO audit_entries (tenant_id, actor_type, action, target_type) VALUES ('${tenant.tenantId}', 'system', 'user.invented', 'user')`,
          `INSERT INTO audit_links VALUES ('${tenant.tenantId}', 1000, '${tenant.tenantId}', '', '')`,
          `INSERT INTO audit_checkpoints VALUES ('${tenant.tenantId}', 1000, '')`,
          'SET session_replication_role = replica',
          'ALTER TABLE users DISABLE TRIGGER ALL',
        );
        if (role !== 'morag_system') statements.push(`SELECT drop_audit_month('2020-01-01', 400)`, `SELECT drop_month('{usage_daily}', '2020-01-01', false)`, `SELECT open_month('{usage_daily}', '2020-01-01')`, `SELECT list_strays('usage_daily')`, `SELECT record_denials('[]')`, `SELECT erase_audit_details('${tenant.tenantId}', '${NOBODY}', 1)`);
        for (const sql of statements) {
          await login.query('BEGIN');
          if (role) await login.query(`SELECT set_config('role', $1, true), set_config('app.tenant_id', $2, true)`, [role, tenant.tenantId]);
          outcomes.push(await login.query(sql).then(() => `may: ${sql}`, (error: pg.DatabaseError) => error.code ?? String(error)));
          await login.query('ROLLBACK');
        }
        return outcomes;
      } finally {
        await login.end();
      }
    }

    it.each([['a tenant', 'morag_app'], ['the system', 'morag_system'], ['the login role', null]])('%s, but for reading', async (_, role) => {
      const outcomes = await attempts(role);
      expect(outcomes).toEqual(outcomes.map(() => REFUSED));
      expect(outcomes.length).toBeGreaterThan(15);
    });
  });
});
