import type { MigrationInterface, QueryRunner } from 'typeorm';
import { protectTable } from './row-level-security.js';

/**
 * Jobs that can be cancelled, tried again, put off and watched.
 *
 * `job_turn` is the virtual clock of start-time fair queueing (Goyal, Vin, Cheng, "Start-time Fair Queueing", 1997): the turn of the job that
 * was started last. A sequence, since no transaction waits for one.
 */
export class JobControl1764000000017 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE jobs
        ADD COLUMN delivery_id uuid,
        ADD COLUMN priority text NOT NULL DEFAULT 'normal' CHECK (priority IN ('normal', 'low')),
        ADD COLUMN turn integer NOT NULL DEFAULT 0,
        ADD COLUMN deferred_seconds integer NOT NULL DEFAULT 0,
        ADD COLUMN event_sequence integer NOT NULL DEFAULT 0`);
    await runner.query(`COMMENT ON COLUMN jobs.delivery_id IS 'the one entry of the queue that carries the job; what another one delivers is stale'`);
    await runner.query(`COMMENT ON COLUMN jobs.turn IS 'its place in the order over all tenants; see job_turn'`);
    await runner.query(`COMMENT ON COLUMN jobs.deferred_seconds IS 'how long it was put off because something outside asked for it, without using up attempts'`);
    await runner.query('CREATE INDEX jobs_turns ON jobs (tenant_id, priority, turn) WHERE ended_at IS NULL');
    await runner.query('CREATE INDEX jobs_of_tenant_by_end ON jobs (tenant_id, ended_at) WHERE ended_at IS NOT NULL');
    await runner.query('CREATE SEQUENCE job_turn MINVALUE 0 START 0');
    await runner.query('GRANT SELECT ON SEQUENCE job_turn TO morag_app, morag_system');
    await runner.query('GRANT UPDATE ON SEQUENCE job_turn TO morag_system');

    await runner.query(`
      CREATE TABLE job_events (
        tenant_id uuid NOT NULL,
        job_id uuid NOT NULL,
        sequence integer NOT NULL,
        kind text NOT NULL CHECK (kind IN ('status', 'progress', 'end')),
        job jsonb NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, job_id, sequence),
        FOREIGN KEY (tenant_id, job_id) REFERENCES jobs (tenant_id, id) ON DELETE CASCADE
      )`);
    await runner.query(`CREATE INDEX job_events_ended ON job_events (created_at) WHERE kind = 'end'`);
    await protectTable(runner, 'job_events');

    await runner.query(`
      CREATE TABLE embedding_checkpoints (
        tenant_id uuid NOT NULL,
        document_id uuid NOT NULL,
        batch integer NOT NULL,
        digest bytea NOT NULL,
        vectors bytea NOT NULL,
        PRIMARY KEY (tenant_id, document_id, batch),
        FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE
      )`);
    await runner.query(`COMMENT ON TABLE embedding_checkpoints IS 'vectors of a document that is being ingested, so that no attempt pays for them again; digest says of which texts and model'`);
    // Vectors do not get smaller.
    await runner.query('ALTER TABLE embedding_checkpoints ALTER COLUMN vectors SET STORAGE EXTERNAL');
    await protectTable(runner, 'embedding_checkpoints');
    await runner.query(`
      CREATE FUNCTION remove_embedding_checkpoints() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        DELETE FROM embedding_checkpoints WHERE tenant_id = NEW.tenant_id AND document_id = NEW.id;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER documents_remove_checkpoints AFTER UPDATE ON documents FOR EACH ROW
        WHEN (NEW.state IN ('INGESTED', 'DELETED') AND OLD.state <> NEW.state) EXECUTE FUNCTION remove_embedding_checkpoints()`);

    // By a trigger, so that no change of a job can be forgotten; under the row's lock, so that the sequence is the order of commits.
    await runner.query(`
      CREATE FUNCTION record_job_event() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        NEW.event_sequence := OLD.event_sequence + 1;
        INSERT INTO job_events (tenant_id, job_id, sequence, kind, job)
        VALUES (NEW.tenant_id, NEW.id, NEW.event_sequence,
                CASE WHEN NEW.status IN ('FINISHED', 'FAILED', 'CANCELLED') THEN 'end'
                     WHEN NEW.status <> OLD.status OR NEW.attempt <> OLD.attempt THEN 'status'
                     ELSE 'progress' END,
                jsonb_build_object('status', NEW.status, 'percentage', NEW.percentage, 'stage', NEW.stage, 'summary', NEW.summary, 'attempt', NEW.attempt, 'max_attempts', NEW.max_attempts,
                                   'error', NEW.error, 'started_at', NEW.started_at, 'ended_at', NEW.ended_at, 'updated_at', NEW.updated_at));
        RETURN NEW;
      END $$`);
    await runner.query(`
      CREATE TRIGGER jobs_record_event BEFORE UPDATE ON jobs FOR EACH ROW
        WHEN ((OLD.status, OLD.stage, OLD.percentage, OLD.attempt) IS DISTINCT FROM (NEW.status, NEW.stage, NEW.percentage, NEW.attempt))
        EXECUTE FUNCTION record_job_event()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TRIGGER jobs_record_event ON jobs');
    await runner.query('DROP FUNCTION record_job_event');
    await runner.query('DROP TABLE job_events');
    await runner.query('DROP TRIGGER documents_remove_checkpoints ON documents');
    await runner.query('DROP FUNCTION remove_embedding_checkpoints');
    await runner.query('DROP TABLE embedding_checkpoints');
    await runner.query('DROP SEQUENCE job_turn');
    for (const index of ['jobs_turns', 'jobs_of_tenant_by_end']) await runner.query(`DROP INDEX ${index}`);
    for (const column of ['delivery_id', 'priority', 'turn', 'deferred_seconds', 'event_sequence']) await runner.query(`ALTER TABLE jobs DROP COLUMN ${column}`);
  }
}
