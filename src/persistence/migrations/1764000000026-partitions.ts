import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createAuditLink, createRemoveOldAudit, LAST_OF_ALL_LINKS, type LastLink } from './audit-chain.js';
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

const FROM_HEADS: LastLink = {
  findLast: 'SELECT sequence, hash INTO last_sequence, last_hash FROM audit_heads WHERE tenant_id = NEW.tenant_id;',
  keepLast: `INSERT INTO audit_heads (tenant_id, sequence, hash) VALUES (NEW.tenant_id, last_sequence, new_hash)
        ON CONFLICT (tenant_id) DO UPDATE SET sequence = EXCLUDED.sequence, hash = EXCLUDED.hash;`,
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
    await runner.query('DROP FUNCTION remove_old_audit(uuid, integer, integer)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await createRemoveOldAudit(runner);
    await createAuditLink(runner, LAST_OF_ALL_LINKS);
    for (const family of families('(tenant_id, sequence)')) await makeWhole(runner, family);
    await runner.query('DROP TABLE audit_heads');
    await dropMonthFunctions(runner);
    await runner.query('DROP SCHEMA partitions');
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
