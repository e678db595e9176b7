import type { MigrationInterface, QueryRunner } from 'typeorm';
import { auditTable } from './audit-table.js';
import { protectTable } from './row-level-security.js';

const TRIGGERS = [
  // From DEPRECATED to INGESTED is a restoration and no ingest.
  { name: 'publish_document_event', table: 'documents', when: `AFTER UPDATE OF state ON documents FOR EACH ROW WHEN (OLD.state <> NEW.state AND (NEW.state IN ('FAILED', 'DELETED') OR NEW.state = 'INGESTED' AND OLD.state <> 'DEPRECATED'))` },
  { name: 'publish_job_event', table: 'jobs', when: `AFTER UPDATE OF status, started_at ON jobs FOR EACH ROW WHEN (OLD.status <> NEW.status AND NEW.status IN ('FINISHED', 'FAILED', 'CANCELLED') OR OLD.started_at IS NULL AND NEW.started_at IS NOT NULL)` },
  { name: 'publish_new_api_key_event', table: 'api_keys', when: 'AFTER INSERT ON api_keys FOR EACH ROW', calls: 'publish_api_key_event' },
  { name: 'publish_revoked_api_key_event', table: 'api_keys', when: 'AFTER UPDATE OF revoked_at ON api_keys FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)', calls: 'publish_api_key_event' },
];
const FUNCTIONS = ['publish_api_key_event', 'publish_job_event', 'publish_document_event', 'is_event_wanted', 'time_on_the_wire', 'announce_webhook_delivery'];

/** Endpoints of tenants, what they are told of, and each try to tell them. */
export class Webhooks1764000000024 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await this.createEndpoints(runner);
    await this.createDeliveries(runner);
    await this.publishEvents(runner);
    await this.audit(runner);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const { name, table } of TRIGGERS) await runner.query(`DROP TRIGGER ${name} ON ${table}`);
    for (const table of ['webhook_attempts', 'webhook_deliveries', 'ingest_webhooks', 'webhook_signing_secrets', 'webhooks']) await runner.query(`DROP TABLE ${table}`);
    for (const name of FUNCTIONS) await runner.query(`DROP FUNCTION ${name}`);
  }

  /** Addresses are redacted, since whoever gives one may have put a token into it. */
  private async audit(runner: QueryRunner): Promise<void> {
    await auditTable(runner, 'webhooks', {
      target: 'webhook',
      shown: ['events', 'description', 'is_active', 'disabled_reason'],
      redacted: ['url', 'secret'],
      steps: [
        { on: 'INSERT', action: 'webhook.created' },
        { on: 'UPDATE', action: 'webhook.secret_rotated', when: 'OLD.secret IS DISTINCT FROM NEW.secret' },
        { on: 'UPDATE', action: 'webhook.disabled', when: 'OLD.disabled_reason IS NULL AND NEW.disabled_reason IS NOT NULL' },
        { on: 'UPDATE', action: 'webhook.updated' },
        { on: 'DELETE', action: 'webhook.deleted' },
      ],
    });
    await auditTable(runner, 'webhook_signing_secrets', {
      target: 'webhook_signing_secret',
      id: 'tenant_id',
      shown: [],
      redacted: ['secret'],
      steps: [
        { on: 'INSERT', action: 'webhook_signing_secret.created' },
        { on: 'UPDATE', action: 'webhook_signing_secret.rotated' },
      ],
    });
  }

  private async createEndpoints(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE webhooks (
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        id uuid NOT NULL,
        url text NOT NULL,
        events text[] NOT NULL CHECK (cardinality(events) > 0),
        description text,
        is_active boolean NOT NULL DEFAULT true,
        disabled_reason text CHECK (disabled_reason IN ('gone', 'failing')),
        failing_since timestamptz(3),
        secret bytea NOT NULL,
        previous_secret bytea,
        previous_secret_until timestamptz(3),
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id),
        CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL))
      )`);
    await runner.query(`COMMENT ON COLUMN webhooks.secret IS 'sealed, as is previous_secret'`);
    await runner.query(`COMMENT ON COLUMN webhooks.failing_since IS 'first of the failures since the last success'`);
    await protectTable(runner, 'webhooks');

    await runner.query(`
      CREATE TABLE webhook_signing_secrets (
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        secret bytea NOT NULL,
        previous_secret bytea,
        previous_secret_until timestamptz(3),
        PRIMARY KEY (tenant_id),
        CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL))
      )`);
    await runner.query(`COMMENT ON TABLE webhook_signing_secrets IS 'a tenant''s own: signs what goes to the webhook_url of an ingest, which has no webhook'`);
    await protectTable(runner, 'webhook_signing_secrets');

    await runner.query(`
      CREATE TABLE ingest_webhooks (
        tenant_id uuid NOT NULL,
        job_id uuid NOT NULL,
        url text NOT NULL,
        PRIMARY KEY (tenant_id, job_id),
        FOREIGN KEY (tenant_id, job_id) REFERENCES jobs (tenant_id, id) ON DELETE CASCADE
      )`);
    await runner.query(`COMMENT ON TABLE ingest_webhooks IS 'the webhook_url of an ingest, told when its document is ingested or has failed'`);
    await protectTable(runner, 'ingest_webhooks');
  }

  private async createDeliveries(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE webhook_deliveries (
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        id uuid NOT NULL DEFAULT new_event_id(),
        sequence bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY,
        webhook_id uuid,
        url text,
        lane text NOT NULL,
        event_type text NOT NULL,
        event_at timestamptz(3) NOT NULL,
        document_id uuid,
        data jsonb NOT NULL,
        status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
        attempts integer NOT NULL DEFAULT 0,
        failures integer NOT NULL DEFAULT 0,
        due_at timestamptz(3) NOT NULL DEFAULT now(),
        leased_until timestamptz,
        give_up_at timestamptz(3),
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        ended_at timestamptz(3),
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE,
        CHECK ((webhook_id IS NULL) <> (url IS NULL))
      )`);
    await runner.query(`COMMENT ON COLUMN webhook_deliveries.url IS 'the webhook_url of an ingest; of the others the webhook says where to'`);
    await runner.query(`COMMENT ON COLUMN webhook_deliveries.lane IS 'the webhook, or the origin of url: what is in one lane shares its connections and, for one document, is sent in the order of sequence'`);
    await runner.query(`COMMENT ON COLUMN webhook_deliveries.attempts IS 'counted when one begins, so that it tells two senders apart'`);
    await runner.query(`COMMENT ON COLUMN webhook_deliveries.failures IS 'since the delivery was made or replayed'`);
    await runner.query(`COMMENT ON COLUMN webhook_deliveries.give_up_at IS 'a day after the first attempt; what fails from then on has failed for good'`);
    await runner.query(`CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (tenant_id, lane, due_at) WHERE status = 'pending'`);
    await runner.query(`CREATE INDEX webhook_deliveries_in_order ON webhook_deliveries (tenant_id, lane, document_id, sequence) WHERE status = 'pending' AND document_id IS NOT NULL`);
    await runner.query('CREATE INDEX webhook_deliveries_of_webhook ON webhook_deliveries (tenant_id, webhook_id, id DESC)');
    await runner.query('CREATE INDEX webhook_deliveries_by_status ON webhook_deliveries (tenant_id, webhook_id, status, id DESC)');
    await runner.query('CREATE INDEX webhook_deliveries_by_type ON webhook_deliveries (tenant_id, webhook_id, event_type, id DESC)');
    // What is old is removed for all tenants at once.
    await runner.query('CREATE INDEX webhook_deliveries_created ON webhook_deliveries (created_at)');
    await protectTable(runner, 'webhook_deliveries');
    await runner.query(`
      CREATE FUNCTION announce_webhook_delivery() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('morag_webhook_delivery', '');
        RETURN NULL;
      END $$`);
    await runner.query('CREATE TRIGGER announce_webhook_delivery AFTER INSERT ON webhook_deliveries FOR EACH ROW EXECUTE FUNCTION announce_webhook_delivery()');

    await runner.query(`
      CREATE TABLE webhook_attempts (
        tenant_id uuid NOT NULL,
        delivery_id uuid NOT NULL,
        number integer NOT NULL,
        started_at timestamptz(3) NOT NULL,
        duration_ms integer NOT NULL,
        status_code smallint,
        error text,
        response text,
        PRIMARY KEY (tenant_id, delivery_id, number),
        FOREIGN KEY (tenant_id, delivery_id) REFERENCES webhook_deliveries (tenant_id, id) ON DELETE CASCADE
      )`);
    await runner.query(`COMMENT ON COLUMN webhook_attempts.response IS 'the beginning of what the endpoint answered'`);
    await protectTable(runner, 'webhook_attempts');
  }

  /**
   * In the schema, as quotas do: what happened is told once, whichever code path it took. Only where somebody wants to know: an event for each
   * step of each document would be many rows for nobody, while looking for a tenant's few webhooks is one read of its primary key.
   */
  private async publishEvents(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION is_event_wanted(tenant uuid, type text, job uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
        SELECT EXISTS (SELECT FROM webhooks WHERE tenant_id = tenant AND is_active AND events && ARRAY['*', split_part(type, '.', 1) || '.*', type])
            OR type IN ('document.ingested', 'document.failed') AND EXISTS (SELECT FROM ingest_webhooks WHERE tenant_id = tenant AND job_id = job)
      $$`);
    // As JavaScript writes it, and so every answer of the API.
    await runner.query(`
      CREATE FUNCTION time_on_the_wire(at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
        SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
      $$`);
    // A document that is read anew and fails is still served, in the version before: then it says why nothing newer came.
    await runner.query(`
      CREATE FUNCTION publish_document_event() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        event text := CASE WHEN NEW.state = 'DELETED' THEN 'document.deleted'
                           WHEN NEW.state = 'FAILED' OR NEW.processing_error IS NOT NULL THEN 'document.failed'
                           ELSE 'document.ingested' END;
      BEGIN
        IF is_event_wanted(NEW.tenant_id, event, NEW.job_id) THEN
          INSERT INTO events (tenant_id, type, payload) VALUES (NEW.tenant_id, event, jsonb_build_object(
            'id', NEW.id, 'title', NEW.title, 'name', NEW.name, 'type', NEW.type, 'state', NEW.state, 'version', NEW.version, 'chunks', NEW.chunk_count,
            'size_bytes', NEW.size_bytes, 'content_checksum', NEW.content_checksum, 'database_id', NEW.database_id, 'job_id', NEW.job_id, 'user_id', NEW.user_id,
            'processing_error', NEW.processing_error, 'processed_at', time_on_the_wire(NEW.processed_at), 'created_at', time_on_the_wire(NEW.created_at)));
        END IF;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE FUNCTION publish_job_event() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        event text := CASE NEW.status WHEN 'PROCESSING' THEN 'job.started' ELSE 'job.' || lower(NEW.status) END;
      BEGIN
        IF is_event_wanted(NEW.tenant_id, event, NEW.id) THEN
          INSERT INTO events (tenant_id, type, payload) VALUES (NEW.tenant_id, event, jsonb_build_object(
            'id', NEW.id, 'type', NEW.type, 'status', NEW.status, 'document_id', NEW.document_id, 'user_id', NEW.user_id, 'summary', NEW.summary, 'error', NEW.error,
            'attempt', NEW.attempt, 'max_attempts', NEW.max_attempts, 'start_date', time_on_the_wire(NEW.started_at), 'end_date', time_on_the_wire(NEW.ended_at),
            'created_at', time_on_the_wire(NEW.created_at)));
        END IF;
        RETURN NULL;
      END $$`);
    // The prefix is what lists show of a key; the key itself is stored nowhere.
    await runner.query(`
      CREATE FUNCTION publish_api_key_event() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        event text := CASE WHEN TG_OP = 'UPDATE' THEN 'api_key.revoked' WHEN NEW.rotated_from IS NOT NULL THEN 'api_key.rotated' ELSE 'api_key.created' END;
      BEGIN
        IF is_event_wanted(NEW.tenant_id, event, NULL) THEN
          INSERT INTO events (tenant_id, type, payload) VALUES (NEW.tenant_id, event, jsonb_build_object(
            'id', NEW.id, 'name', NEW.name, 'key_prefix', NEW.key_prefix, 'environment', NEW.environment, 'permissions', NEW.permissions, 'user_id', NEW.user_id,
            'rotated_from', NEW.rotated_from, 'expires_at', time_on_the_wire(NEW.expires_at), 'revoked_at', time_on_the_wire(NEW.revoked_at),
            'created_at', time_on_the_wire(NEW.created_at)));
        END IF;
        RETURN NULL;
      END $$`);
    for (const { name, when, calls } of TRIGGERS) await runner.query(`CREATE TRIGGER ${name} ${when} EXECUTE FUNCTION ${calls ?? name}()`);
  }
}
