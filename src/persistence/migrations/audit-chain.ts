import type { QueryRunner } from 'typeorm';

/**
 * Whoever makes a change needs no right to write its entry, and so cannot write another. And a plan that was made under row level security is
 * made anew whenever the role changes, which it does with nearly every transaction of a connection; the owner stays the owner.
 */
export const AS_OWNER = 'SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp';

/** Nothing younger may be removed, whoever asks. */
export const KEPT_AT_LEAST_DAYS = 30;

/** How `audit_link` comes to the link before, and what it does to be found by the next; in PL/pgSQL. */
export interface LastLink {
  findLast: string;
  keepLast: string;
}

/** Before there were heads: the end of the index. */
export const LAST_OF_ALL_LINKS: LastLink = {
  findLast: `SELECT sequence, hash INTO last_sequence, last_hash FROM audit_links WHERE tenant_id = NEW.tenant_id ORDER BY sequence DESC LIMIT 1;
      IF NOT FOUND THEN
        SELECT sequence, hash INTO last_sequence, last_hash FROM audit_checkpoints WHERE tenant_id = NEW.tenant_id;
      END IF;`,
  keepLast: '',
};

/** Makes the function that makes each entry the next link of its tenant's chain, or puts it in the place of the one that is there. */
export async function createAuditLink(runner: QueryRunner, { findLast, keepLast }: LastLink): Promise<void> {
  await runner.query(`
    CREATE OR REPLACE FUNCTION audit_link() RETURNS trigger LANGUAGE plpgsql ${AS_OWNER} AS $$
    DECLARE
      tenants text := current_setting('app.audit_tenants', true);
      last_sequence bigint;
      last_hash bytea;
      details bytea;
      new_hash bytea;
      head text;
    BEGIN
      IF current_setting('app.audit_locked', true) IS DISTINCT FROM tenants THEN
        PERFORM pg_advisory_xact_lock(key)
          FROM (SELECT DISTINCT hashtextextended('audit ' || tenant, 0) AS key FROM unnest(string_to_array(ltrim(tenants), ' ')) AS tenant ORDER BY key OFFSET 0) AS keys;
        PERFORM set_config('app.audit_locked', tenants, true);
      END IF;
      ${findLast}
      last_sequence := COALESCE(last_sequence, 0) + 1;
      details := sha256(NEW.salt || audit_text(NEW.target_name, NEW.ip, NEW.user_agent, NEW.changes::text));
      new_hash := sha256(
        COALESCE(last_hash, decode(repeat('00', 32), 'hex')) || details || audit_text(last_sequence::text, NEW.tenant_id::text, NEW.id::text,
          (extract(epoch FROM NEW.created_at) * 1000)::bigint::text, NEW.actor_type, NEW.actor_id::text, NEW.api_key_id::text, NEW.action,
          NEW.target_type, NEW.target_id::text, NEW.result, NEW.request_id));
      INSERT INTO audit_links (tenant_id, sequence, entry_id, details_digest, hash) VALUES (NEW.tenant_id, last_sequence, NEW.id, details, new_hash);
      ${keepLast}
      RETURN NULL;
    END $$`);
}

/** Removes what is old link by link, up to 25; from then on a month goes as a whole. */
export async function createRemoveOldAudit(runner: QueryRunner): Promise<void> {
  await runner.query(`
    CREATE FUNCTION remove_old_audit(of_tenant uuid, days integer, most integer) RETURNS integer LANGUAGE plpgsql ${AS_OWNER} AS $$
    DECLARE
      until bigint;
      removed integer;
    BEGIN
      IF days < ${KEPT_AT_LEAST_DAYS} THEN
        RAISE EXCEPTION 'the audit is kept for ${KEPT_AT_LEAST_DAYS} days at least';
      END IF;
      -- Only from the beginning of the chain, up to the first link that is too young or whose entry is not there: what was tampered with stays to be found.
      SELECT COALESCE(min(sequence) FILTER (WHERE created_at IS NULL OR created_at >= now() - make_interval(days => days)) - 1, max(sequence)) INTO until
        FROM (SELECT l.sequence, e.created_at FROM audit_links l LEFT JOIN audit_entries e ON e.tenant_id = l.tenant_id AND e.id = l.entry_id
               WHERE l.tenant_id = of_tenant ORDER BY l.sequence LIMIT most) AS oldest;
      INSERT INTO audit_checkpoints (tenant_id, sequence, hash) SELECT tenant_id, sequence, hash FROM audit_links WHERE tenant_id = of_tenant AND sequence = until
        ON CONFLICT (tenant_id) DO UPDATE SET sequence = EXCLUDED.sequence, hash = EXCLUDED.hash, created_at = EXCLUDED.created_at;
      WITH gone AS (DELETE FROM audit_links WHERE tenant_id = of_tenant AND sequence <= until RETURNING entry_id)
      DELETE FROM audit_entries e USING gone WHERE e.tenant_id = of_tenant AND e.id = gone.entry_id;
      GET DIAGNOSTICS removed = ROW_COUNT;
      RETURN removed;
    END $$`);
  await runner.query('REVOKE ALL ON FUNCTION remove_old_audit(uuid, integer, integer) FROM PUBLIC');
  await runner.query('GRANT EXECUTE ON FUNCTION remove_old_audit(uuid, integer, integer) TO morag_system');
}
