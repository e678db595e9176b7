import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { connect } from '@lancedb/lancedb';
import { pointId } from '../../src/databases/vector-stores/point-id.js';
import { textKey } from '../../src/documents/versions/blob-keys.js';
import { filesIn } from '../support/disk.js';
import { reconcile } from '../support/reconciliation.js';
import { sha256, type Sent, type World } from './world.js';

interface DocumentRow {
  tenant_id: string;
  id: string;
  state: string;
  version: number;
  chunk_count: number;
  blob_key: string;
  content_checksum: string;
  collection_name: string;
  error_code: string | null;
  chunk_ids: string[];
  jobs: { id: string; status: string; code: string | null; chunks: number | null }[];
}

interface StoredPoint {
  collection: string;
  id: string;
  tenant_id: string;
  document_id: string;
  version: number;
}

/** What the audit needs to know of an installation, and of those who sent it something. */
export type Audited = Pick<World, 'sent' | 'unanswered' | 'tenants' | 'admin' | 'dataDir' | 'vectors' | 'query'>;

const sameMembers = (a: readonly string[], b: readonly string[]): boolean => JSON.stringify(a.toSorted()) === JSON.stringify(b.toSorted());

/**
 * Everything that must be true of an installation in which nothing is under way, however it came to that; call it once `World.settled`.
 * @returns a line for each thing that is not
 */
export async function audit(world: Audited): Promise<string[]> {
  const documents = await readDocuments(world);
  const parts = [checkAcknowledged(world, documents), checkUnanswered(world, documents), checkJobs(documents), await checkVectors(world, documents), await checkFiles(world, documents), await checkQuotas(world), await checkQueue(world), await checkSearch(world, documents)];
  return parts.flat();
}

function readDocuments(world: Audited): Promise<DocumentRow[]> {
  return world.query<DocumentRow>(
    `SELECT o.tenant_id, o.id, o.state, o.version, o.chunk_count, o.blob_key, o.content_checksum, d.collection_name, o.processing_error ->> 'code' AS error_code,
            ARRAY(SELECT c.id::text FROM document_chunks c WHERE c.tenant_id = o.tenant_id AND c.document_id = o.id ORDER BY c.index) AS chunk_ids,
            ARRAY(SELECT json_build_object('id', j.id, 'status', j.status, 'code', j.error ->> 'code', 'chunks', (j.result ->> 'chunks')::int)
                    FROM jobs j WHERE j.tenant_id = o.tenant_id AND j.document_id = o.id ORDER BY j.id) AS jobs
       FROM documents o JOIN databases d ON d.tenant_id = o.tenant_id AND d.id = o.database_id`,
  );
}

/** What was acknowledged is there to the end, or failed with a reason, or was deleted by who sent it. */
function checkAcknowledged({ sent }: Audited, documents: readonly DocumentRow[]): string[] {
  const byId = new Map(documents.map((document) => [document.id, document]));
  return sent.flatMap(({ outcome, documentId, isDeleted, title, content }) => {
    if (outcome !== 'accepted') return [];
    const document = byId.get(documentId!);
    if (isDeleted) return document ? [`${title} was deleted, and document ${documentId} is still there as ${document.state}`] : [];
    if (!document) return [`${title} was acknowledged as ${documentId}, and is gone`];
    if (document.content_checksum !== sha256(content)) return [`${title} was acknowledged as ${documentId}, which has another content`];
    if (document.state === 'INGESTED' || (document.state === 'FAILED' && document.error_code !== null)) return [];
    return [`${title} was acknowledged as ${documentId}, which is ${document.state} with the code ${document.error_code}`];
  });
}

/** What was refused is not there; what was not answered is there once or not at all; and nothing is there that nobody sent. */
function checkUnanswered({ sent }: Audited, documents: readonly DocumentRow[]): string[] {
  const found = (one: Sent): number => documents.filter(({ tenant_id, content_checksum, state }) => tenant_id === one.tenant.tenantId && content_checksum === sha256(one.content) && state !== 'FAILED').length;
  const sentSums = new Set(sent.map(({ content }) => sha256(content)));
  return [
    ...sent.filter((one) => one.outcome === 'refused' && found(one) > 0).map(({ title }) => `${title} was refused and is there`),
    ...sent.filter((one) => found(one) > 1).map(({ title }) => `${title} is there more than once`),
    ...documents.filter(({ content_checksum }) => !sentSums.has(content_checksum)).map(({ id }) => `nobody sent document ${id}`),
  ];
}

/** Each effect once: as many ended jobs as there was work, and the rows say what the job said. */
function checkJobs(documents: readonly DocumentRow[]): string[] {
  return documents.flatMap(({ id, state, version, chunk_count, chunk_ids, jobs }) => {
    const finished = jobs.filter(({ status }) => status === 'FINISHED');
    const failed = jobs.filter(({ status }) => status === 'FAILED');
    const expected = Array.from({ length: state === 'INGESTED' ? chunk_count : 0 }, (_, at) => pointId(id, version, at));
    const wrong: string[] = [];
    if (state === 'INGESTED' && finished.length !== 1) wrong.push(`document ${id} is INGESTED by ${finished.length} finished jobs`);
    if (state === 'FAILED' && (finished.length > 0 || failed.some(({ code }) => code === null))) wrong.push(`document ${id} is FAILED, and its jobs are ${JSON.stringify(jobs)}`);
    if (state === 'INGESTED' && finished[0]?.chunks !== chunk_count) wrong.push(`document ${id} has ${chunk_count} chunks, and its job made ${finished[0]?.chunks}`);
    if (!sameMembers(chunk_ids, expected)) wrong.push(`document ${id} has ${chunk_ids.length} rows of chunks, and not those of ${expected.length}`);
    return wrong;
  });
}

async function readPoints(world: Audited): Promise<StoredPoint[]> {
  const connection = await connect(world.vectors);
  const points: StoredPoint[] = [];
  for (const collection of await connection.tableNames({ limit: 10_000 })) {
    const table = await connection.openTable(collection);
    const rows: StoredPoint[] = await table.query().select(['id', 'tenant_id', 'document_id', 'version']).toArray();
    points.push(...rows.map(({ id, tenant_id, document_id, version }) => ({ collection, id, tenant_id, document_id, version })));
  }
  connection.close();
  return points;
}

/** In the store are the points of the rows, each once, and nothing of any other document, version or collection. */
async function checkVectors(world: Audited, documents: readonly DocumentRow[]): Promise<string[]> {
  const stored = Map.groupBy(await readPoints(world), ({ document_id }) => document_id);
  const wrong: string[] = [];
  for (const { tenant_id, id, version, chunk_ids, collection_name, state } of documents) {
    const points = stored.get(id) ?? [];
    stored.delete(id);
    const strays = points.filter((point) => point.tenant_id !== tenant_id || point.version !== version || point.collection !== collection_name);
    if (strays.length > 0) wrong.push(`${strays.length} of the vectors of document ${id} are another version's, tenant's or collection's`);
    const ids = points.map((point) => point.id);
    if (!sameMembers(ids, chunk_ids)) wrong.push(`document ${id} (${state}) has ${chunk_ids.length} rows of chunks, and ${ids.length} vectors, of which ${new Set(ids).size} are different`);
  }
  return [...wrong, ...[...stored].map(([id, points]) => `${points.length} vectors of document ${id}, which does not exist`)];
}

/**
 * Files are those of the rows, byte by byte. One too many is left only by a request that was not answered, or with a 503: the server could not
 * know whether its transaction committed (`IntakeService.accept`), or was killed before it began. The nightly run removes it after a day.
 */
async function checkFiles(world: Audited, documents: readonly DocumentRow[]): Promise<string[]> {
  const root = path.join(world.dataDir, 'blobs');
  const sumOf = async (name: string): Promise<string> => sha256(await readFile(path.join(root, name)));
  const files = new Map(await Promise.all((await filesIn(root)).map(async (name) => [name, await sumOf(name)] as const)));
  const wrong: string[] = [];
  for (const { tenant_id, id, version, state, blob_key, content_checksum } of documents) {
    if (files.get(blob_key) !== content_checksum) wrong.push(`the file of document ${id} is ${files.has(blob_key) ? 'another one' : 'gone'}`);
    files.delete(blob_key);
    if (state !== 'INGESTED') continue;
    // What is sent here is plain text, and read as it is.
    const text = textKey(tenant_id, id, version);
    if (files.get(text) !== content_checksum) wrong.push(`the text of document ${id} is ${files.has(text) ? 'another one' : 'gone'}`);
    files.delete(text);
  }
  const unanswered = new Set(world.unanswered.map(({ content }) => sha256(content)));
  // A worker that was killed while it wrote a text leaves that half-written.
  const isHalfWritten = (name: string): boolean => name.startsWith('incoming') && (unanswered.size > 0 || name.endsWith('.text'));
  for (const [name, sum] of files) if (!unanswered.has(sum) && !isHalfWritten(name)) wrong.push(`the file ${name} belongs to nothing`);
  return wrong;
}

/** Counters are what the rows say: by a recount of our own, and by the product's. */
async function checkQuotas(world: Audited): Promise<string[]> {
  const drifts = await world.query<{ tenant_id: string; resource: string; used: string; reserved: string; counted: string; held: string }>(
    `SELECT * FROM (
       SELECT q.tenant_id, q.resource, q.used, q.reserved,
              CASE q.resource
                WHEN 'documents' THEN (SELECT count(*) FROM documents o WHERE o.tenant_id = q.tenant_id AND o.state <> 'FAILED')
                WHEN 'storage_mb' THEN (SELECT COALESCE(sum(o.size_bytes), 0) FROM documents o WHERE o.tenant_id = q.tenant_id AND o.state <> 'FAILED')
                WHEN 'vector_points' THEN (SELECT count(*) FROM document_chunks c WHERE c.tenant_id = q.tenant_id)
                WHEN 'databases' THEN (SELECT count(*) FROM databases d WHERE d.tenant_id = q.tenant_id)
                WHEN 'api_keys' THEN (SELECT count(*) FROM api_keys k WHERE k.tenant_id = q.tenant_id AND k.revoked_at IS NULL)
              END AS counted,
              0 AS held
         FROM tenant_quotas q WHERE q.resource <> 'api_calls_per_hour') there
      WHERE used <> counted OR reserved <> held`,
  );
  const { drift_count: drifting, tenants_checked: checked } = await reconcile(world.admin);
  return [
    ...drifts.map(({ tenant_id, resource, used, reserved, counted }) => `tenant ${tenant_id} is charged ${used} + ${reserved} ${resource}, and has ${counted}`),
    ...(drifting === 0 && checked > world.tenants.length ? [] : [`the reconciler looked at ${checked} tenants and found ${drifting} counters that drifted`]),
  ];
}

/** Nothing in the queue is about a job that has ended, or that there never was. */
async function checkQueue(world: Audited): Promise<string[]> {
  const rows = await world.query<{ name: string; state: string; job_id: string; status: string | null }>(
    `SELECT q.name, q.state::text, q.data ->> 'jobId' AS job_id, j.status FROM pgboss.job q LEFT JOIN jobs j ON j.id = (q.data ->> 'jobId')::uuid
      WHERE q.data ? 'jobId' AND ((q.state IN ('created', 'retry', 'active') AND j.status NOT IN ('PENDING', 'PROCESSING')) OR j.id IS NULL)`,
  );
  return rows.map(({ name, state, job_id, status }) => `the queue ${name} has job ${job_id}, which is ${status}, as ${state}`);
}

/** Search finds every document by the word that only it has, each chunk once. */
async function checkSearch(world: Audited, documents: readonly DocumentRow[]): Promise<string[]> {
  const ingested = new Map(documents.filter(({ state }) => state === 'INGESTED').map((document) => [document.id, document]));
  const wrong: string[] = [];
  for (const { outcome, documentId, isDeleted, tenant, word, title } of world.sent) {
    const document = outcome === 'accepted' && !isDeleted ? ingested.get(documentId!) : undefined;
    const { status, body } = await tenant.client.post('/api/v1/search', { query: word, mode: 'keyword', top_k: 20 });
    const hits = (body.results ?? []) as { chunk_id: string; citation: { document_id: string } }[];
    const isRight = status === 200 && hits.every(({ citation }) => citation.document_id === document?.id) && new Set(hits.map(({ chunk_id }) => chunk_id)).size === hits.length && hits.length === Math.min(20, document?.chunk_count ?? 0);
    if (!isRight) wrong.push(`a search for ${title} answered ${status} with ${hits.length} chunks of ${new Set(hits.map(({ citation }) => citation.document_id)).size} documents`);
  }
  return wrong;
}
