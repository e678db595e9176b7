// The floor of search: the query's vector is there, and the store is asked in this process. It also fills the collections that both search.
import path from 'node:path';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { passages } from '../corpus.mjs';
import { answer, serve } from './child.mjs';

const from = (file) => import(`../../dist/src/${file}`);
const [{ HashEmbedder }, { pointId }, { LanceDbStore }] = await Promise.all(
  ['embeddings/hash.embedder.js', 'databases/vector-stores/point-id.js', 'databases/vector-stores/lancedb.store.js'].map(from),
);
const CHUNKS_A_DOCUMENT = 500;
const BATCH = 4000;

const { SUPERUSER_URL: superuserUrl, DATA_DIR: dataDir } = process.env;
const directory = path.join(dataDir, 'vectors');
const store = await LanceDbStore.open({ directory, logger: console });
// Only now: the store tells the library to keep quiet before it loads it.
const { connect } = await import('@lancedb/lancedb');
const embedder = new HashEmbedder();
const client = new pg.Client({ connectionString: superuserUrl });
await client.connect();
// Rows that were always there: nobody is told of them, and the audit does not chain them.
await client.query('SET session_replication_role = replica; SET synchronous_commit = off');

async function ownerOf({ id }) {
  const { rows } = await client.query(
    'SELECT d.id AS "databaseId", d.collection_name AS collection, d.tenant_id AS "tenantId", u.id AS "userId" FROM databases d JOIN users u USING (tenant_id) WHERE d.id = $1',
    [id],
  );
  return rows[0];
}

async function insertRows({ tenantId, userId, databaseId }, documents) {
  const chunks = documents.flatMap(({ points }) => points);
  await client.query(
    `INSERT INTO documents (id, tenant_id, user_id, database_id, title, name, type, media_type, state, chunk_size, chunk_overlap, chunk_count, size_bytes, content_checksum, blob_key, job_id)
     SELECT id, $1, $2, $3, 'Document ' || id, id || '.md', 'md', 'text/markdown', 'INGESTED', 2000, 200, chunks, 1000, id::text, '', id FROM unnest($4::uuid[], $5::int[]) AS document (id, chunks)`,
    [tenantId, userId, databaseId, documents.map(({ id }) => id), documents.map(({ points }) => points.length)],
  );
  await client.query(
    `INSERT INTO document_chunks (tenant_id, document_id, version, index, id, text, token_count, char_start, char_end)
     SELECT $1, document_id, 1, index, id, text, length(text) / 4, 0, length(text) FROM unnest($2::uuid[], $3::int[], $4::uuid[], $5::text[]) AS chunk (document_id, index, id, text)`,
    [tenantId, chunks.map(({ documentId }) => documentId), chunks.map(({ index }) => index), chunks.map(({ id }) => id), chunks.map(({ text }) => text)],
  );
}

async function storeDocuments(owner, texts) {
  const documents = [];
  for (let at = 0; at < texts.length; at += CHUNKS_A_DOCUMENT) {
    const [id, own] = [uuidv7(), texts.slice(at, at + CHUNKS_A_DOCUMENT)];
    const vectors = await embedder.embedDocuments(own);
    const scope = { tenantId: owner.tenantId, documentId: id, version: 1 };
    const points = own.map((text, index) => ({ ...scope, id: pointId(id, 1, index), vector: vectors[index], text, index }));
    await store.replaceDocument(owner.collection, scope, points);
    documents.push({ id, points });
  }
  return documents;
}

/** As ingestion would leave them, without its jobs and files. PostgreSQL is at the rows of one batch while the next one is made. */
async function fill({ owner, size }) {
  let inserting = Promise.resolve();
  for (let first = 0; first < size; first += BATCH) {
    const documents = await storeDocuments(owner, passages(first, Math.min(BATCH, size - first)));
    await inserting;
    inserting = insertRows(owner, documents);
    // Waited for above or below, and not unhandled until then.
    inserting.catch(() => undefined);
  }
  await inserting;
}

/** Until everything is indexed: what a search costs meanwhile is another question. */
async function settle({ collection, indexed }) {
  const connection = await connect(directory, { readConsistencyInterval: 0 });
  for (;;) {
    await store.maintain();
    const indexes = await (await connection.openTable(collection)).listIndices();
    if (indexes.every(({ numUnindexedRows }) => numUnindexedRows === 0) && indexes.some(({ columns }) => columns[0] === 'vector') === indexed) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  connection.close();
  await client.query('VACUUM (ANALYZE)');
}

/** @returns what each took, in ms */
async function search({ owner, mode, queries, limit }) {
  const [embedding, searching] = [[], []];
  for (const text of queries) {
    const begun = performance.now();
    const vector = await embedder.embedQuery(text);
    const embedded = performance.now();
    const hits = await store.search(owner.collection, { tenantId: owner.tenantId, mode, text, vector, limit });
    if (hits.length === 0) throw new Error(`nothing found for ${text}`);
    embedding.push(embedded - begun);
    searching.push(performance.now() - embedded);
  }
  return { embedding, searching };
}

answer({ ownerOf, fill, settle, search });
serve('', async () => {
  await Promise.all([store.close(), client.end()]);
});
