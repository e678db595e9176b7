import type { MigrationInterface, QueryRunner } from 'typeorm';
import { protectSystemTable, protectTable } from './row-level-security.js';

/** How long requests took, sums by day for what is long past, and which batches of sums were written. */
export class UsageHistory1764000000007 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // In PL/pgSQL, which changes the array in place: half the time of SQL's unnest of both. Either may be the longer one.
    await runner.query(`
      CREATE FUNCTION add_histograms(sums bigint[], counts bigint[]) RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
      BEGIN
        FOR bucket IN 1 .. cardinality(counts) LOOP sums[bucket] := coalesce(sums[bucket], 0) + counts[bucket]; END LOOP;
        RETURN sums;
      END $$`);
    await runner.query(`CREATE AGGREGATE sum_histograms(bigint[]) (SFUNC = add_histograms, STYPE = bigint[], INITCOND = '{}', COMBINEFUNC = add_histograms, PARALLEL = SAFE)`);
    await runner.query(`ALTER TABLE usage_hourly ADD COLUMN latency bigint[] NOT NULL DEFAULT '{}'`);
    await runner.query(`COMMENT ON COLUMN usage_hourly.latency IS 'requests by duration: up to 0.5 ms, then each bound √2 times the one before; empty in hours from before it was counted'`);
    // The roll-up looks for the oldest hours of all tenants.
    await runner.query('CREATE INDEX usage_hourly_hour ON usage_hourly (hour)');
    await this.createDays(runner);
    await runner.query('CREATE TABLE usage_flushes (process_id uuid PRIMARY KEY, sequence bigint NOT NULL, written_at timestamptz NOT NULL)');
    await runner.query(`COMMENT ON TABLE usage_flushes IS 'the last batch of sums that each process has written, so that none is written twice'`);
    await protectSystemTable(runner, 'usage_flushes');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE usage_flushes, usage_daily');
    await runner.query('DROP INDEX usage_hourly_hour');
    await runner.query('ALTER TABLE usage_hourly DROP COLUMN latency');
    await runner.query('DROP AGGREGATE sum_histograms(bigint[])');
    await runner.query('DROP FUNCTION add_histograms(bigint[], bigint[])');
  }

  private async createDays(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE usage_daily (
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        day date NOT NULL,
        api_key_id uuid NOT NULL,
        route text NOT NULL,
        status_class smallint NOT NULL CHECK (status_class BETWEEN 1 AND 5),
        requests bigint NOT NULL CHECK (requests > 0),
        duration_ms double precision NOT NULL,
        bytes_in bigint NOT NULL,
        bytes_out bigint NOT NULL,
        latency bigint[] NOT NULL,
        PRIMARY KEY (tenant_id, day, api_key_id, route, status_class)
      )`);
    await runner.query(`COMMENT ON COLUMN usage_daily.day IS 'from midnight to midnight UTC'`);
    await runner.query('CREATE INDEX usage_daily_day ON usage_daily (day)');
    await protectTable(runner, 'usage_daily');
  }
}
