// The floor of reading and creating documents: bare node:http and raw pg, with the statements that the server was seen to send, and no other.
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, rename } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { answer, serve } from './child.mjs';

/** As many as the server's pool has. */
const CONNECTIONS = 10;
/** Of one statement, what differs from one request to the next: ids, and checksums. */
const VARYING = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{64}\b/g;

const { DATABASE_URL: connectionString, DIRECTORY: directory } = process.env;
const pool = new pg.Pool({ connectionString, max: CONNECTIONS, pipeline: true });
const recordings = {};

/** In place of what varied between the two recordings of a request: `ids` where it is given, else something new, the same wherever the same stood. */
function freshValues(varying, ids) {
  const fresh = new Map(ids);
  const replacement = (word) => {
    if (!varying.has(word)) return word;
    if (!fresh.has(word)) fresh.set(word, word.length === 64 ? createHash('sha256').update(randomUUID()).digest('hex') : uuidv7());
    return fresh.get(word);
  };
  return (value) => (typeof value === 'string' ? value.replace(VARYING, replacement) : value);
}

const wordsOf = (transactions) => new Set(transactions.flat().flatMap(({ values }) => (values ?? []).flatMap((value) => (typeof value === 'string' ? (value.match(VARYING) ?? []) : []))));

/** What two requests sent that were alike but for what they were about. */
function learn({ route, first, second, id }) {
  const common = wordsOf(second);
  const varying = new Set([...wordsOf(first)].filter((word) => !common.has(word)));
  recordings[route] = { transactions: first, varying, id };
}

/** The start and what sets role and tenant in one round trip, as the server does it. */
async function inTransaction([start, context, ...statements], valueOf) {
  const client = await pool.connect();
  const send = ({ sql, values }) => client.query(sql, values?.map(valueOf));
  try {
    let [, { rows: answered }] = await Promise.all([send(start), send(context)]);
    for (const statement of statements) {
      const { rows } = await send(statement);
      if (rows.length > 0) answered = rows;
    }
    return answered;
  } finally {
    client.release();
  }
}

/** @returns the rows of the last statement that gave some */
async function replay({ transactions, varying, id }, asked) {
  const valueOf = freshValues(varying, asked === undefined ? [] : [[id, asked]]);
  let rows = [];
  for (const statements of transactions) rows = await inTransaction(statements, valueOf);
  return rows;
}

async function synced(place, work) {
  const handle = await open(place, work === undefined ? 'r' : 'wx');
  await work?.(handle);
  await handle.sync();
  await handle.close();
}

/** A file of its own in a directory of its own, which survive a loss of power from then on. */
async function keep(content) {
  const [arriving, own] = [path.join(directory, randomUUID()), path.join(directory, randomUUID())];
  await synced(arriving, (handle) => handle.write(content));
  await mkdir(own);
  await rename(arriving, path.join(own, 'original'));
  await synced(own);
  await synced(directory);
}

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function create(request) {
  const { content } = JSON.parse(await bodyOf(request));
  await keep(Buffer.from(content));
  await replay(recordings.create);
  return { status: 202, body: { kept: content.length } };
}

async function respond(request) {
  if (request.method === 'POST') return create(request);
  const id = /^\/api\/v1\/documents\/(.+)$/.exec(request.url)?.[1];
  return { status: 200, body: await (id === undefined ? replay(recordings.list) : replay(recordings.read, id)) };
}

async function handle(request, response) {
  const { status, body } = await respond(request).catch((error) => ({ status: 500, body: { failure: error.stack } }));
  if (status === 500) console.error(body.failure);
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

const server = createServer((request, response) => void handle(request, response));
answer({ learn });
server.listen(0, '127.0.0.1', () => {
  serve(`http://127.0.0.1:${server.address().port}`, async () => {
    server.closeAllConnections();
    server.close();
    await pool.end();
  });
});
