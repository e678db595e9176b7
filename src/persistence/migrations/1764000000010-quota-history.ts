import type { MigrationInterface, QueryRunner } from 'typeorm';
import { protectTable } from './row-level-security.js';

/** How much of each resource there was at the end of every hour in which that changed. */
export class QuotaHistory1764000000010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await this.createHistory(runner);
    // Of counters that are older than this migration it says that nothing is known of before.
    await runner.query(`ALTER TABLE tenant_quotas ADD COLUMN changed_hour timestamptz NOT NULL DEFAULT date_trunc('hour', now(), 'UTC')`);
    await runner.query(`COMMENT ON COLUMN tenant_quotas.changed_hour IS 'in which used changed last: at the end of every hour since it was what it is now'`);
    // One more row for each counter and hour, whatever happens in that hour: the first change of a later hour closes the one before it.
    // The clock and not now(), which is when the transaction began: changes of a row happen one after the other, so the hours only rise.
    await runner.query(`
      CREATE FUNCTION close_quota_hour() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO quota_history (tenant_id, resource, hour, used) VALUES (OLD.tenant_id, OLD.resource, OLD.changed_hour, OLD.used)
          ON CONFLICT (tenant_id, resource, hour) DO UPDATE SET used = EXCLUDED.used;
        NEW.changed_hour := date_trunc('hour', clock_timestamp(), 'UTC');
        RETURN NEW;
      END $$`);
    await runner.query(`
      CREATE TRIGGER close_hour BEFORE UPDATE OF used ON tenant_quotas FOR EACH ROW
        WHEN (OLD.used <> NEW.used AND clock_timestamp() >= OLD.changed_hour + interval '1 hour' AND OLD.resource <> 'api_calls_per_hour')
        EXECUTE FUNCTION close_quota_hour()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TRIGGER close_hour ON tenant_quotas');
    await runner.query('DROP FUNCTION close_quota_hour');
    await runner.query('ALTER TABLE tenant_quotas DROP COLUMN changed_hour');
    await runner.query('DROP TABLE quota_history');
  }

  private async createHistory(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE quota_history (
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        resource text NOT NULL CHECK (resource IN ('documents', 'storage_mb', 'vector_points', 'databases', 'api_keys')),
        hour timestamptz NOT NULL,
        used bigint NOT NULL CHECK (used >= 0),
        closes_day boolean NOT NULL DEFAULT false,
        PRIMARY KEY (tenant_id, resource, hour)
      )`);
    await runner.query(`COMMENT ON COLUMN quota_history.used IS 'at the end of the hour and until the next row; after the last row it is what tenant_quotas says'`);
    await runner.query(`COMMENT ON COLUMN quota_history.closes_day IS 'the hours before it on its UTC day are dropped'`);
    // The roll-up looks for the oldest hours of all tenants, and for days that are to go.
    await runner.query('CREATE INDEX quota_history_hours ON quota_history (hour) WHERE NOT closes_day');
    await runner.query('CREATE INDEX quota_history_days ON quota_history (hour) WHERE closes_day');
    await protectTable(runner, 'quota_history');
  }
}
