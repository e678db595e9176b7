import type { MigrationInterface, QueryRunner } from 'typeorm';
import { AUDITED } from './1764000000023-audited-tables.js';
import { AS_OWNER, createAuditLink, createRemoveOldAudit, LAST_OF_ALL_LINKS } from './audit-chain.js';
import { auditTable } from './audit-table.js';
import { backfill, protectAppendOnlyTable } from './row-level-security.js';

/** True of every entry. Only a statement that says it, too, may use the index: a tenant's own lists would else be read among the entries of all. */
const SAID_FOR_ALL_TENANTS = 'char_length(action) > 0';
const FUNCTIONS = ['audit_change', 'audit_value', 'audit_note_tenant', 'audit_link', 'audit_text', 'record_denials', 'remove_old_audit', 'erase_audit_details'];

/**
 * The audit: triggers write what changes into `audit_entries`, and at commit each entry becomes the next link of its tenant's chain. Neither
 * table refers to the tenant's row, for they outlive it. The application's roles may read them, and nothing else.
 */
export class Audit1764000000023 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await this.createEntries(runner);
    await this.createChain(runner);
    await this.linkAtCommit(runner);
    await this.recordChanges(runner);
    await this.recordDenials(runner);
    await this.letGo(runner);
    for (const { table, ...audited } of AUDITED) await auditTable(runner, table, audited);
    // So that the audit of whoever is being purged at this moment can be made nameless at the end.
    await backfill(
      runner,
      'tenants',
      `INSERT INTO audit_entries (tenant_id, actor_type, action, target_type, target_id)
       SELECT id, 'system', 'tenant.purge_requested', 'tenant', id FROM tenants WHERE purge_requested_at IS NOT NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['audit_checkpoints', 'audit_links', 'audit_entries']) await runner.query(`DROP TABLE ${table}`);
    for (const name of FUNCTIONS) await runner.query(`DROP FUNCTION ${name} CASCADE`);
  }

  private async createEntries(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE audit_entries (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL DEFAULT new_event_id(),
        created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        actor_type text COLLATE "C" NOT NULL CHECK (actor_type IN ('user', 'api_key', 'system', 'anonymous')),
        actor_id uuid,
        api_key_id uuid,
        action text COLLATE "C" NOT NULL CHECK (action ~ '^[a-z_]+\\.[a-z_]+$'),
        resource text COLLATE "C" NOT NULL GENERATED ALWAYS AS (split_part(action, '.', 1)) STORED,
        target_type text COLLATE "C" NOT NULL,
        target_id uuid,
        result text COLLATE "C" NOT NULL DEFAULT 'success' CHECK (result IN ('success', 'denied', 'failed')),
        request_id text COLLATE "C",
        target_name text,
        ip text COLLATE "C",
        user_agent text,
        changes jsonb DEFAULT '{}',
        salt bytea DEFAULT uuid_send(gen_random_uuid()),
        PRIMARY KEY (tenant_id, id)
      )`);
    await runner.query(`COMMENT ON COLUMN audit_entries.tenant_id IS 'the nil UUID for what is of no tenant, such as a sign-in under an unknown address'`);
    await runner.query(`COMMENT ON COLUMN audit_entries.salt IS 'null once target_name, ip, user_agent and changes are erased: the chain has only a digest of them, which nobody can guess them by'`);
    await protectAppendOnlyTable(runner, 'audit_entries');
    for (const [name, columns] of Object.entries(LISTS)) await runner.query(`CREATE INDEX audit_entries_${name} ON audit_entries (tenant_id, ${columns}`);
    // Made up by the server, so it is of one tenant whoever asks.
    await runner.query('CREATE INDEX audit_entries_by_request ON audit_entries (request_id) WHERE request_id IS NOT NULL');
    for (const [name, columns] of Object.entries(LISTS_OF_ALL)) await runner.query(`CREATE INDEX audit_entries_${name} ON audit_entries (${columns}) WHERE ${SAID_FOR_ALL_TENANTS}`);
  }

  private async createChain(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE audit_links (
        tenant_id uuid NOT NULL,
        sequence bigint NOT NULL CHECK (sequence > 0),
        entry_id uuid NOT NULL,
        details_digest bytea NOT NULL,
        hash bytea NOT NULL,
        PRIMARY KEY (tenant_id, sequence)
      )`);
    await runner.query(`COMMENT ON TABLE audit_links IS 'the entries of each tenant in the order of their commits, each with a hash over itself and the link before'`);
    await protectAppendOnlyTable(runner, 'audit_links');
    await runner.query(`
      CREATE TABLE audit_checkpoints (
        tenant_id uuid PRIMARY KEY,
        sequence bigint NOT NULL,
        hash bytea NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now()
      )`);
    await runner.query(`COMMENT ON TABLE audit_checkpoints IS 'the last link that was removed for its age, behind which a chain begins'`);
    await protectAppendOnlyTable(runner, 'audit_checkpoints');
  }

  /**
   * At commit, when everything else is done, so that the tenant's lock is held for as short as can be. Whoever has it sees the last link: each
   * statement of the function has a snapshot of its own in READ COMMITTED, and the one before has committed. The locks of all the tenants of a
   * transaction are taken in one order, or two transactions could wait for each other.
   */
  private async linkAtCommit(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION audit_note_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM set_config('app.audit_tenants', COALESCE(current_setting('app.audit_tenants', true), '') || ' ' || NEW.tenant_id, true);
        RETURN NEW;
      END $$`);
    await runner.query(`
      CREATE TRIGGER note_tenant BEFORE INSERT ON audit_entries FOR EACH ROW
        WHEN (position(NEW.tenant_id::text IN COALESCE(current_setting('app.audit_tenants', true), '')) = 0) EXECUTE FUNCTION audit_note_tenant()`);
    // Of no two lists of fields the same: each says how long it is, and what is missing is not what is empty.
    await runner.query(`
      CREATE FUNCTION audit_text(VARIADIC fields text[]) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
        SELECT convert_to(string_agg(COALESCE(octet_length(convert_to(field, 'UTF8')) || ':' || field, '-'), ',' ORDER BY n), 'UTF8') FROM unnest(fields) WITH ORDINALITY AS f (field, n)
      $$`);
    await createAuditLink(runner, LAST_OF_ALL_LINKS);
    await runner.query('CREATE CONSTRAINT TRIGGER link AFTER INSERT ON audit_entries DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_link()');
  }

  /** What `auditTable` attaches to tables. */
  private async recordChanges(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION audit_value(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT CASE WHEN length(value::text) <= 1000 THEN value ELSE to_jsonb(left(value #>> '{}', 1000) || '…') END
      $$`);
    await runner.query(`
      CREATE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql ${AS_OWNER} AS $$
      DECLARE
        options jsonb := TG_ARGV[1];
        before jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
        after jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
        subject jsonb := CASE WHEN TG_OP = 'DELETE' THEN before ELSE after END;
        tenant uuid := subject ->> (options ->> 'tenant');
        actor jsonb := NULLIF(current_setting('app.actor', true), '');
        shown text[] := TG_ARGV[2];
        redacted text[] := TG_ARGV[3];
        field text;
        was jsonb;
        becomes jsonb;
        changed jsonb := '{}';
      BEGIN
        -- The purge of a tenant is one change, and not one of each of its rows.
        IF TG_OP = 'DELETE' AND TG_TABLE_NAME <> 'tenants' AND EXISTS (SELECT FROM audit_entries WHERE tenant_id = tenant AND action = 'tenant.purge_requested') THEN
          RETURN NULL;
        END IF;
        -- Whoever registers or signs in is the one who does it, and what the transaction does next.
        IF actor ->> 'type' = 'anonymous' AND options ->> 'person' IS NOT NULL THEN
          actor := actor || jsonb_build_object('type', 'user', 'user_id', subject -> (options ->> 'person'));
          PERFORM set_config('app.actor', actor::text, true);
        END IF;
        FOREACH field IN ARRAY shown || redacted LOOP
          was := NULLIF(before -> field, 'null');
          becomes := NULLIF(after -> field, 'null');
          IF was IS DISTINCT FROM becomes THEN
            IF field = ANY (redacted) THEN
              was := CASE WHEN was IS NOT NULL THEN '"[redacted]"'::jsonb END;
              becomes := CASE WHEN becomes IS NOT NULL THEN '"[redacted]"'::jsonb END;
            END IF;
            changed := changed || jsonb_build_object(field, jsonb_build_object('from', audit_value(was), 'to', audit_value(becomes)));
          END IF;
        END LOOP;
        INSERT INTO audit_entries (tenant_id, actor_type, actor_id, api_key_id, action, target_type, target_id, result, request_id, target_name, ip, user_agent, changes)
        VALUES (tenant, COALESCE(actor ->> 'type', 'system'), (actor ->> 'user_id')::uuid, (actor ->> 'api_key_id')::uuid, TG_ARGV[0], options ->> 'target',
          (subject ->> (options ->> 'id'))::uuid, options ->> 'result', actor ->> 'request_id', left(subject ->> (options ->> 'name'), 200), actor ->> 'ip', actor ->> 'user_agent',
          changed);
        RETURN NULL;
      END $$`);
  }

  /** What no row tells of: refusals, of tenants that are still there or of none. */
  private async recordDenials(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION record_denials(denials jsonb) RETURNS void LANGUAGE sql VOLATILE ${AS_OWNER} AS $$
        INSERT INTO audit_entries (tenant_id, actor_type, actor_id, api_key_id, action, target_type, target_id, target_name, result, request_id, ip, user_agent, changes)
        SELECT tenant_id, actor_type, actor_id, api_key_id, action, target_type, target_id, target_name, 'denied', request_id, ip, user_agent, changes
          FROM jsonb_to_recordset(denials) AS d (tenant_id uuid, actor_type text, actor_id uuid, api_key_id uuid, action text, target_type text, target_id uuid,
                 target_name text, request_id text, ip text, user_agent text, changes jsonb)
      $$`);
  }

  /** The two things that happen to an entry, each by a function that refuses everything else. */
  private async letGo(runner: QueryRunner): Promise<void> {
    await createRemoveOldAudit(runner);
    await runner.query(`
      CREATE FUNCTION erase_audit_details(of_tenant uuid, behind uuid, most integer) RETURNS uuid LANGUAGE plpgsql ${AS_OWNER} AS $$
      DECLARE
        last_id uuid;
      BEGIN
        IF NOT EXISTS (SELECT FROM audit_entries WHERE tenant_id = of_tenant AND action = 'tenant.purge_requested') THEN
          RAISE EXCEPTION 'only of a tenant that is being purged';
        END IF;
        SELECT id INTO last_id FROM (SELECT id FROM audit_entries WHERE tenant_id = of_tenant AND id > behind ORDER BY id LIMIT most) AS next ORDER BY id DESC LIMIT 1;
        UPDATE audit_entries SET target_name = NULL, ip = NULL, user_agent = NULL, changes = NULL, salt = NULL
         WHERE tenant_id = of_tenant AND id > behind AND id <= last_id AND salt IS NOT NULL;
        RETURN last_id;
      END $$`);
    for (const name of ['record_denials(jsonb)', 'erase_audit_details(uuid, uuid, integer)']) {
      await runner.query(`REVOKE ALL ON FUNCTION ${name} FROM PUBLIC`);
      await runner.query(`GRANT EXECUTE ON FUNCTION ${name} TO morag_system`);
    }
  }
}

/** Of one tenant, newest first, by each filter; closed by what the index is limited to. */
const LISTS: Readonly<Record<string, string>> = {
  by_action: 'action, id DESC)',
  by_resource: 'resource, id DESC)',
  by_actor: 'actor_id, id DESC) WHERE actor_id IS NOT NULL',
  by_target: 'target_id, id DESC) WHERE target_id IS NOT NULL',
  by_key: 'api_key_id, id DESC) WHERE api_key_id IS NOT NULL',
  by_address: 'ip, id DESC) WHERE ip IS NOT NULL',
  by_result: `result, id DESC) WHERE result <> 'success'`,
};

/** For the administrator, without naming a tenant. */
const LISTS_OF_ALL: Readonly<Record<string, string>> = {
  newest_first: 'id DESC',
  of_any_action: 'action, id DESC',
};
