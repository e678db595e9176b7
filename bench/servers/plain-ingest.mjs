// The floor of ingestion: extract, chunk, embed and upsert, one file after the other, with the server's libraries and nothing around them.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import { serve } from './child.mjs';

const from = (file) => import(`../../dist/src/${file}`);
const [{ chunks: cut }, { HashEmbedder }, { pointId }, { LanceDbStore }] = await Promise.all(
  ['documents/ingestion/chunking/chunker.js', 'embeddings/hash.embedder.js', 'databases/vector-stores/point-id.js', 'databases/vector-stores/lancedb.store.js'].map(from),
);
const EXTRACTORS = { html: 'html', md: 'markdown', pdf: 'pdf' };
const COLLECTION = 'plain';

const directory = await mkdtemp(path.join(tmpdir(), 'morag-bench-plain-'));
const store = await LanceDbStore.open({ directory, logger: console });
const embedder = new HashEmbedder();
await store.ensureCollection(COLLECTION, { dimensions: embedder.dimensions });
const tenantId = uuidv7();

async function ingest({ file, type }) {
  const { extract } = await from(`documents/ingestion/extractors/${EXTRACTORS[type]}.extractor.js`);
  const document = await extract(await readFile(file));
  const chunks = [...cut(document, { chunkSize: 2000, chunkOverlap: 200, chunkingStrategy: 'recursive', maxTokens: embedder.maxInputTokens })];
  const vectors = await embedder.embedDocuments(chunks.map(({ text }) => text));
  const documentId = uuidv7();
  const points = chunks.map(({ text, index }, at) => ({ id: pointId(documentId, 1, index), vector: vectors[at], text, tenantId, documentId, version: 1, index }));
  await store.replaceDocument(COLLECTION, { tenantId, documentId, version: 1 }, points);
  return Buffer.byteLength(document.text);
}

async function round(files) {
  const begun = performance.now();
  let textBytes = 0;
  for (const file of files) textBytes += await ingest(file);
  return { seconds: (performance.now() - begun) / 1000, textBytes };
}

process.on('message', (message) => {
  if (message.files === undefined) return;
  round(message.files).then(
    (result) => process.send(result),
    (error) => process.send({ failure: error.stack }),
  );
});
serve('', async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});
