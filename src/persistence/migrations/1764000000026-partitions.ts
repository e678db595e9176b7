import type { MigrationInterface, QueryRunner } from 'typeorm';
import { AS_OWNER, createAuditLink, createRemoveOldAudit, LAST_OF_ALL_LINKS, type LastLink } from './audit-chain.js';
import { createMonthFunctions, dropMonthFunctions } from './month-functions.js';
import { divideByMonth, makeWhole, type GrowingTable } from './month-tables.js';
import { backfill, protectAppendOnlyTable, protectTable } from './row-level-security.js';

/** A worker that is there on one day of two months opens the next in time. */
const AHEAD = 2;

/** Each with those that refer to it. */
const families = (linkKey: string): GrowingTable[][] => [
  [{ name: 'usage_hourly', column: 'hour', protect: protectTable }],
  [{ name: 'usage_daily', column: 'day', protect: protectTable, indexOfAge: { name: 'usage_daily_day', column: 'day' } }],
  [{ name: 'embedding_usage', column: 'hour', protect: protectTable, indexOfAge: { name: 'embedding_usage_hour', column: 'hour' } }],
  [
    { name: 'audit_entries', column: 'id', protect: protectAppendOnlyTable },
    { name: 'audit_links', column: 'entry_id', protect: protectAppendOnlyTable, primaryKey: linkKey },
  ],
  [
    { name: 'webhook_deliveries', column: 'id', protect: protectTable, indexOfAge: { name: 'webhook_deliveries_created', column: 'created_at' } },
    { name: 'webhook_attempts', column: 'delivery_id', protect: protectTable },
  ],
];

/** Writes down the head that the transaction remembers: tenant, number and hash. */
const KEEP_HEAD = `INSERT INTO audit_heads (tenant_id, sequence, hash) VALUES (split_part(head, ' ', 1)::uuid, split_part(head, ' ', 2)::bigint, decode(split_part(head, ' ', 3), 'hex'))
          ON CONFLICT (tenant_id) DO UPDATE SET sequence = EXCLUDED.sequence, hash = EXCLUDED.hash;
        PERFORM set_config('app.audit_kept', head, true);`;
const REMEMBERED = `COALESCE(current_setting('app.audit_head', true), '')`;
const IS_NOT_KEPT = `head <> '' AND head <> COALESCE(current_setting('app.audit_kept', true), '')`;

/**
 * A transaction remembers the last link and writes it down once, when all are made: a row that is changed again and again within one is looked
 * for among all that it was, so that eight thousand entries at once took seven times as long.
 */
const FROM_HEADS: LastLink = {
  findLast: `head := ${REMEMBERED};
      IF split_part(head, ' ', 1) = NEW.tenant_id::text THEN
        last_sequence := split_part(head, ' ', 2);
        last_hash := decode(split_part(head, ' ', 3), 'hex');
      ELSE
        IF ${IS_NOT_KEPT} THEN
        ${KEEP_HEAD}
        END IF;
        SELECT sequence, hash INTO last_sequence, last_hash FROM audit_heads WHERE tenant_id = NEW.tenant_id;
      END IF;`,
  keepLast: `PERFORM set_config('app.audit_head', NEW.tenant_id || ' ' || last_sequence || ' ' || encode(new_hash, 'hex'), true);`,
};

/**
 * What grows without end lies in tables of a month each, so that a month goes by dropping a table and not row by row, which leaves holes in the
 * table and its indexes, and a page of a list or a report reads the months that it is about. The tables keep their names, keys and policies; the
 * months are in a schema of their own, into which nobody is let, so there is no way past the policies.
 *
 * Sums of usage are divided by their time, which is in their keys. Entries of the audit and deliveries are divided by their id, which is a UUIDv7
 * and so begins with its time: keys, references, cursors and what is looked up by id stay as they are, and find their one month. Attempts are
 * divided as their deliveries are, links as their entries, and always go with them. A link's number is no longer unique by its key, which has to
 * have the id as well, but by the lock under which it is given out; and the last link is no longer looked for in every month, but kept: each
 * tenant has a head. Not divided: `quota_history`, of which the newest row of each counter stays however old it is, and what is removed within
 * days or belongs to something that stays.
 *
 * A row of a month that nobody opened in time lies in the default partition, and moves into its month when that is opened.
 */
export class Partitions1764000000026 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE SCHEMA partitions');
    await createMonthFunctions(runner);
    await this.createHeads(runner);
    for (const family of families('(tenant_id, sequence, entry_id)')) await divideByMonth(runner, family, AHEAD);
    await createAuditLink(runner, FROM_HEADS);
    await this.keepHeads(runner);
    await runner.query('DROP FUNCTION remove_old_audit(uuid, integer, integer)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TRIGGER keep_head ON audit_links');
    await runner.query('DROP FUNCTION audit_keep_head');
    await createRemoveOldAudit(runner);
    await createAuditLink(runner, LAST_OF_ALL_LINKS);
    for (const family of families('(tenant_id, sequence)')) await makeWhole(runner, family);
    await runner.query('DROP TABLE audit_heads');
    await dropMonthFunctions(runner);
    await runner.query('DROP SCHEMA partitions');
  }

  /** At commit, behind the links: what their triggers lead to comes after all of them. */
  private async keepHeads(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION audit_keep_head() RETURNS trigger LANGUAGE plpgsql ${AS_OWNER} AS $$
      DECLARE
        head text := ${REMEMBERED};
      BEGIN
        IF ${IS_NOT_KEPT} THEN
        ${KEEP_HEAD}
        END IF;
        RETURN NULL;
      END $$`);
    await runner.query('CREATE CONSTRAINT TRIGGER keep_head AFTER INSERT ON audit_links DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_keep_head()');
  }

  private async createHeads(runner: QueryRunner): Promise<void> {
    // Changed with each entry: with room for it on its page, no index is.
    await runner.query(`
      CREATE TABLE audit_heads (
        tenant_id uuid PRIMARY KEY,
        sequence bigint NOT NULL,
        hash bytea NOT NULL
      ) WITH (fillfactor = 50)`);
    await runner.query(`COMMENT ON TABLE audit_heads IS 'the last link of each chain, which the next one follows'`);
    for (const table of ['audit_links', 'audit_checkpoints']) {
      await backfill(
        runner,
        table,
        `INSERT INTO audit_heads (tenant_id, sequence, hash) SELECT DISTINCT ON (tenant_id) tenant_id, sequence, hash FROM ${table} ORDER BY tenant_id, sequence DESC ON CONFLICT DO NOTHING`,
      );
    }
    await protectAppendOnlyTable(runner, 'audit_heads');
  }
}
