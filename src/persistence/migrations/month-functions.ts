import type { QueryRunner } from 'typeorm';
import { AS_OWNER, KEPT_AT_LEAST_DAYS } from './audit-chain.js';

/**
 * The application's roles may change no table: they have the owner open and drop months, by functions that can do nothing else. Whatever these
 * have to wait for, they wait for a moment only, because everybody who comes after them waits, too; the upkeep tries again.
 */
const FOR_A_MOMENT = `${AS_OWNER} SET lock_timeout = '300ms' SET timezone = 'UTC'`;
const NEXT = `(month + interval '1 month')::date`;
const OPEN_TO_SYSTEM = ['open_month(text[], date)', 'list_strays(text)', 'drop_month(text[], date, boolean)', 'drop_audit_month(date, integer)'];
const INTERNAL = ['id_at(timestamptz)', 'month_bound(text, date)', 'partition_key(text)', 'drop_partitions(text[], date)'];

export async function createMonthFunctions(runner: QueryRunner): Promise<void> {
  await createBounds(runner);
  await createOpening(runner);
  await createDropping(runner);
  await createAuditDropping(runner);
  for (const name of [...OPEN_TO_SYSTEM, ...INTERNAL]) await runner.query(`REVOKE ALL ON FUNCTION ${name} FROM PUBLIC`);
  for (const name of OPEN_TO_SYSTEM) await runner.query(`GRANT EXECUTE ON FUNCTION ${name} TO morag_system`);
}

export async function dropMonthFunctions(runner: QueryRunner): Promise<void> {
  for (const name of [...OPEN_TO_SYSTEM, ...INTERNAL]) await runner.query(`DROP FUNCTION ${name}`);
}

/** Where a month begins, in the type of the column that a table is divided by: a UUIDv7 (RFC 9562) begins with its time. */
async function createBounds(runner: QueryRunner): Promise<void> {
  await runner.query(`
    CREATE FUNCTION id_at(at timestamptz) RETURNS uuid LANGUAGE sql STABLE AS $$
      SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
    $$`);
  await runner.query(`
    CREATE FUNCTION partition_key(of_table text, OUT name name, OUT type text) LANGUAGE sql STABLE AS $$
      SELECT a.attname, format_type(a.atttypid, NULL) FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
       WHERE p.partrelid = to_regclass(format('public.%I', of_table))
    $$`);
  await runner.query(`
    CREATE FUNCTION month_bound(of_table text, month date) RETURNS text LANGUAGE sql STABLE AS $$
      SELECT CASE type WHEN 'uuid' THEN id_at(month::timestamp AT TIME ZONE 'UTC')::text WHEN 'date' THEN month::text ELSE month || ' 00:00:00+00' END FROM partition_key(of_table)
    $$`);
}

/**
 * A month of tables that refer to each other, those that are referred to first: all of them or none. What came before there was one lies in the
 * default partitions and moves into it, past the triggers, which have had their effect, and never through a moment in which nobody sees it.
 */
async function createOpening(runner: QueryRunner): Promise<void> {
  await runner.query(`
    CREATE FUNCTION open_month(tables text[], month date) RETURNS boolean LANGUAGE plpgsql ${FOR_A_MOMENT} AS $$
    DECLARE
      suffix text := to_char(month, '_YYYY_MM');
      name text;
      leaf text;
      key text;
      columns text;
      strays boolean;
    BEGIN
      IF month IS DISTINCT FROM date_trunc('month', month)::date THEN RAISE EXCEPTION '% is not the first day of a month', month; END IF;
      PERFORM pg_advisory_xact_lock(hashtextextended('months', 0));
      IF to_regclass(format('partitions.%I', tables[1] || suffix)) IS NOT NULL THEN RETURN false; END IF;
      FOREACH name IN ARRAY tables LOOP EXECUTE format('LOCK TABLE partitions.%I', name || '_default'); END LOOP;
      -- From the last on, for what refers to a row goes with it.
      FOR at IN REVERSE cardinality(tables)..1 LOOP
        name := tables[at];
        leaf := name || suffix;
        key := format('%1$I >= %2$L AND %1$I < %3$L', (partition_key(name)).name, month_bound(name, month), month_bound(name, ${NEXT}));
        EXECUTE format('CREATE TABLE partitions.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED)', leaf, name);
        EXECUTE format('SELECT EXISTS (SELECT FROM partitions.%I WHERE %s)', name || '_default', key) INTO strays;
        IF strays THEN
          EXECUTE format('CREATE TABLE partitions.%I AS SELECT * FROM partitions.%I WHERE %s', leaf || '_strays', name || '_default', key);
          EXECUTE format('DELETE FROM partitions.%I WHERE %s', name || '_default', key);
        END IF;
      END LOOP;
      FOREACH name IN ARRAY tables LOOP
        leaf := name || suffix;
        EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION partitions.%I FOR VALUES FROM (%L) TO (%L)', name, leaf, month_bound(name, month), month_bound(name, ${NEXT}));
        IF to_regclass(format('partitions.%I', leaf || '_strays')) IS NOT NULL THEN
          SELECT string_agg(quote_ident(attname), ', ') INTO columns FROM pg_attribute
           WHERE attrelid = format('public.%I', name)::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
          EXECUTE format('ALTER TABLE partitions.%I DISABLE TRIGGER USER', leaf);
          EXECUTE format('INSERT INTO partitions.%I (%s) SELECT %2$s FROM partitions.%I', leaf, columns, leaf || '_strays');
          EXECUTE format('ALTER TABLE partitions.%I ENABLE TRIGGER USER', leaf);
          EXECUTE format('DROP TABLE partitions.%I', leaf || '_strays');
        END IF;
        EXECUTE format('ALTER TABLE partitions.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', leaf);
        EXECUTE format('CREATE POLICY upkeep ON partitions.%I TO morag_owner USING (true) WITH CHECK (true)', leaf);
      END LOOP;
      RETURN true;
    END $$`);
  // What is of no time that a clock of ours can have shown stays where it is.
  await runner.query(`
    CREATE FUNCTION list_strays(of_table text) RETURNS SETOF date LANGUAGE plpgsql STABLE ${FOR_A_MOMENT} AS $$
    DECLARE
      key record := partition_key(of_table);
      at text := format(CASE key.type
        WHEN 'uuid' THEN $x$CASE WHEN substr(%1$I::text, 15, 1) = '7' THEN to_timestamp(('x' || left(replace(%1$I::text, '-', ''), 12))::bit(48)::bigint / 1000.0) END$x$ ELSE '%I' END, key.name);
    BEGIN
      RETURN QUERY EXECUTE format('SELECT DISTINCT date_trunc(''month'', %s)::date FROM partitions.%I WHERE %1$s BETWEEN ''2020-01-01'' AND now() + interval ''3 months''', at, of_table || '_default');
    END $$`);
}

async function createDropping(runner: QueryRunner): Promise<void> {
  await runner.query(`
    CREATE FUNCTION drop_partitions(tables text[], month date) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
      name text;
      leaf text;
    BEGIN
      FOREACH name IN ARRAY tables LOOP EXECUTE format('LOCK TABLE ONLY public.%I', name); END LOOP;
      FOR at IN REVERSE cardinality(tables)..1 LOOP
        name := tables[at];
        leaf := name || to_char(month, '_YYYY_MM');
        -- First, since what is referred to cannot be dropped while it is a part.
        EXECUTE format('ALTER TABLE public.%I DETACH PARTITION partitions.%I', name, leaf);
        EXECUTE format('DROP TABLE partitions.%I', leaf);
      END LOOP;
    END $$`);
  await runner.query(`
    CREATE FUNCTION drop_month(tables text[], month date, only_empty boolean) RETURNS boolean LANGUAGE plpgsql ${FOR_A_MOMENT} AS $$
    DECLARE
      leaf text := tables[1] || to_char(month, '_YYYY_MM');
      filled boolean;
    BEGIN
      IF tables && ARRAY['audit_entries', 'audit_links'] THEN RAISE EXCEPTION 'a month of the audit goes by drop_audit_month'; END IF;
      IF ${NEXT} > (now() - interval '30 days')::date THEN RAISE EXCEPTION 'a month is kept for 30 days at least'; END IF;
      PERFORM pg_advisory_xact_lock(hashtextextended('months', 0));
      IF to_regclass(format('partitions.%I', leaf)) IS NULL THEN RETURN false; END IF;
      IF only_empty THEN
        EXECUTE format('LOCK TABLE partitions.%I', leaf);
        EXECUTE format('SELECT EXISTS (SELECT FROM partitions.%I)', leaf) INTO filled;
        IF filled THEN RETURN false; END IF;
      END IF;
      PERFORM drop_partitions(tables, month);
      RETURN true;
    END $$`);
}

/**
 * Entries and links of the oldest month, behind a checkpoint of each tenant, in one transaction. Links stand in the order of commits, so a few of
 * the next day may lie before the last of the month: those go one by one. Where a link, an entry or a place in a chain is missing, the month stays:
 * what was tampered with is to be found. Answers what is in the way, null when it is dropped.
 */
async function createAuditDropping(runner: QueryRunner): Promise<void> {
  await runner.query(`
    CREATE FUNCTION drop_audit_month(month date, days integer) RETURNS text LANGUAGE plpgsql ${FOR_A_MOMENT} AS $$
    DECLARE
      suffix text := to_char(month, '_YYYY_MM');
      behind uuid := id_at(${NEXT}::timestamp AT TIME ZONE 'UTC');
      next_day uuid := id_at((${NEXT} + 1)::timestamp AT TIME ZONE 'UTC');
      broken uuid;
    BEGIN
      IF days < ${KEPT_AT_LEAST_DAYS} THEN RAISE EXCEPTION 'the audit is kept for ${KEPT_AT_LEAST_DAYS} days at least'; END IF;
      IF ${NEXT} + 1 > (now() - make_interval(days => days))::date THEN RAISE EXCEPTION 'the month is younger than % days', days; END IF;
      PERFORM pg_advisory_xact_lock(hashtextextended('months', 0));
      IF to_regclass('partitions.audit_links' || suffix) IS NULL THEN RETURN 'it is not there'; END IF;
      IF EXISTS (SELECT FROM pg_class WHERE relnamespace = 'partitions'::regnamespace AND relname ~ '^audit_links_\\d{4}_\\d\\d$' AND relname < 'audit_links' || suffix)
         OR EXISTS (SELECT FROM partitions.audit_links_default WHERE entry_id < behind) OR EXISTS (SELECT FROM partitions.audit_entries_default WHERE id < behind) THEN
        RETURN 'something older is still there';
      END IF;
      EXECUTE format('SELECT COALESCE(e.tenant_id, l.tenant_id) FROM partitions.%I e FULL JOIN partitions.%I l ON l.tenant_id = e.tenant_id AND l.entry_id = e.id
                       WHERE e.id IS NULL OR l.entry_id IS NULL LIMIT 1', 'audit_entries' || suffix, 'audit_links' || suffix) INTO broken;
      IF broken IS NOT NULL THEN RETURN 'an entry and its link are not both there, of the tenant ' || broken; END IF;
      EXECUTE format('CREATE TABLE partitions.audit_ends AS SELECT tenant_id, max(sequence) AS until, count(*) AS links FROM partitions.%I GROUP BY tenant_id', 'audit_links' || suffix);
      SELECT e.tenant_id INTO broken FROM partitions.audit_ends e LEFT JOIN audit_checkpoints c USING (tenant_id)
       WHERE e.until - COALESCE(c.sequence, 0) <> e.links + (SELECT count(*) FROM audit_links l WHERE l.tenant_id = e.tenant_id AND l.sequence < e.until AND l.entry_id >= behind AND l.entry_id < next_day)
       LIMIT 1;
      IF broken IS NOT NULL THEN
        DROP TABLE partitions.audit_ends;
        RETURN 'a link is missing, of the tenant ' || broken;
      END IF;
      EXECUTE format('INSERT INTO audit_checkpoints (tenant_id, sequence, hash) SELECT l.tenant_id, l.sequence, l.hash FROM partitions.%I l JOIN partitions.audit_ends e ON e.tenant_id = l.tenant_id AND e.until = l.sequence
                      ON CONFLICT (tenant_id) DO UPDATE SET sequence = EXCLUDED.sequence, hash = EXCLUDED.hash, created_at = EXCLUDED.created_at', 'audit_links' || suffix);
      WITH gone AS (DELETE FROM audit_links l USING partitions.audit_ends e WHERE l.tenant_id = e.tenant_id AND l.sequence < e.until AND l.entry_id >= behind AND l.entry_id < next_day RETURNING l.tenant_id, l.entry_id)
      DELETE FROM audit_entries a USING gone WHERE a.tenant_id = gone.tenant_id AND a.id = gone.entry_id;
      DROP TABLE partitions.audit_ends;
      PERFORM drop_partitions(ARRAY['audit_entries', 'audit_links'], month);
      RETURN NULL;
    END $$`);
}
