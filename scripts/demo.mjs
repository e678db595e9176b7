// `npm run demo`: plays the main job against the running server and checks each promise on the way.
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect, parseArgs } from 'node:util';
import { Api, expect, expectThat, Unexpected, Unreachable } from './demo/api.mjs';
import { chooseDocument } from './demo/documents.mjs';
import { bold, dim, green, kept, note, ProgressBar, quote, red, say, step } from './demo/terminal.mjs';

const JOB_DEADLINE_MS = 120_000;
const PURGE_DEADLINE_MS = 15_000;
const REVOCATION_DEADLINE_MS = 1000;
const POLL_MS = 150;

const bar = new ProgressBar();

function addressFromEnvironment() {
  const { PORT: port = '3000', HOST: host = '127.0.0.1' } = process.env;
  // A server that listens everywhere is spoken to here.
  const name = { '0.0.0.0': '127.0.0.1', '::': '[::1]', '': '127.0.0.1' }[host] ?? (host.includes(':') ? `[${host}]` : host);
  return `http://${name}:${port || '3000'}`;
}

function readAddress() {
  const { values } = parseArgs({ options: { url: { type: 'string' }, help: { type: 'boolean' } } });
  if (values.help) {
    say('npm run demo [-- --url http://127.0.0.1:3000]   plays the whole story against a running server; PORT and HOST are read, too');
    process.exit(0);
  }
  const url = values.url ?? addressFromEnvironment();
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) throw new Error(`--url must be an http or https address, not "${url}".`);
  return new URL(url).origin;
}

async function signUp(anonymous, name) {
  const email = `${name.split(' ')[0].toLowerCase()}-${randomBytes(5).toString('hex')}@example.com`;
  const password = randomBytes(15).toString('base64url');
  const user = await anonymous.call(201, 'POST', '/auth/register', { name, email, password });
  expect('the registered address', email, user.email);
  kept(`${name} <${email}> has an account and a tenant of her own`);
  const login = await anonymous.call(200, 'POST', '/auth/login', { email, password });
  expect('who is signed in', user.id, login.user.id);
  kept(`signed in; the access token works for ${login.expires_in / 60} minutes`);
  return { user, client: anonymous.as({ authorization: `Bearer ${login.access_token}` }) };
}

/** The countable part of /tenant/info; bytes, because MiB are rounded. */
async function usageOf(client) {
  const info = await client.call(200, 'GET', '/api/v1/tenant/info');
  const used = Object.fromEntries(info.quotas.quotas.map((quota) => [quota.resource_type, quota]));
  return {
    documents: used.documents.used,
    bytes: used.storage_mb.used_bytes,
    vector_points: used.vector_points.used,
    reserved: used.documents.reserved + used.storage_mb.reserved + used.vector_points.reserved,
    api_keys: used.api_keys.used,
  };
}

const count = (number, noun) => `${number} ${noun}${number === 1 ? '' : 's'}`;
const inWords = (usage) => [count(usage.documents, 'document'), count(usage.bytes, 'byte'), count(usage.vector_points, 'vector point'), count(usage.api_keys, 'API key')].join(', ');

/** Asks until the answer is as it should be, and says what came last when it never is. */
async function within(milliseconds, what, expected, ask) {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const came = await ask();
    try {
      return expect(what, expected, came);
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await delay(POLL_MS);
  }
}

async function createKey(person) {
  const permissions = ['read', 'ingest', 'search'];
  const { api_key: key, secret_key: secret } = await person.client.call(201, 'POST', '/api/v1/api-keys', { name: 'demo', permissions });
  expect('the permissions of the key', permissions, key.permissions);
  expectThat(/^mk_live_[0-9A-Za-z]{38}$/.test(secret), 'the form of the key', 'mk_live_ and 38 letters or digits', `${secret.slice(0, 12)}… of ${secret.length} characters`);
  kept(`${key.key_prefix}… may ${permissions.join(', ')}; the whole key was shown once and is stored as a hash only`);
  return { id: key.id, client: person.client.as({ 'x-api-key': secret }) };
}

function pdfForm(bytes, name) {
  const form = new FormData();
  form.append('metadata', JSON.stringify({ sent_by: 'demo' }));
  form.append('file', new Blob([bytes], { type: 'application/pdf' }), name);
  return form;
}

async function upload(client, document) {
  await client.refused(415, 'type_mismatch', 'POST', '/api/v1/ingest/file', pdfForm('A text, whatever its name says.', document.name));
  kept('first a text under that name: refused (415)');
  const form = pdfForm(document.bytes, document.name);
  const accepted = await client.call(202, 'POST', '/api/v1/ingest/file', form);
  expect('the state of what was accepted', 'pending', accepted.status);
  kept(`accepted as document ${accepted.document_id}: on disk, charged and queued in one transaction`);
  return accepted;
}

async function watch(client, jobId) {
  const begun = Date.now();
  for (;;) {
    const job = await client.call(200, 'GET', `/api/v1/jobs/${jobId}`);
    bar.show(job.percentage, job.status === 'PROCESSING' ? (job.stage ?? 'starting') : job.status.toLowerCase());
    if (job.status === 'FINISHED') break;
    expectThat(!['FAILED', 'CANCELLED'].includes(job.status), 'the job', 'FINISHED', job);
    expectThat(Date.now() - begun < JOB_DEADLINE_MS, 'the job', `FINISHED within ${JOB_DEADLINE_MS / 1000} s (is a process with ROLE=worker or all running?)`, job);
    await delay(POLL_MS);
  }
  bar.end();
  return (Date.now() - begun) / 1000;
}

async function search(client, document, documentId) {
  note(`“${document.question}”`);
  const answer = await client.call(200, 'POST', '/api/v1/search', { query: document.question, top_k: 3 });
  const hit = answer.results.find((result) => document.sentence.test(result.text));
  expectThat(hit !== undefined, 'the search', `a result with ${document.sentence}`, answer.results);
  const { citation } = hit;
  expect('the cited document', documentId, citation.document_id);
  expectThat(citation.page_from <= document.page && document.page <= citation.page_to, 'the cited pages', `around page ${document.page}`, citation);
  expect('the length of the cited passage', [...hit.text].length, citation.char_end - citation.char_start);
  expect('the metadata', { sent_by: 'demo' }, hit.metadata);
  const pages = citation.page_from === citation.page_to ? `page ${citation.page_from}` : `pages ${citation.page_from}–${citation.page_to}`;
  const heading = citation.heading_path.length > 0 ? citation.heading_path.join(' › ') : 'none (this PDF marks none)';
  kept(`found in ${answer.took_ms} ms, as result ${answer.results.indexOf(hit) + 1} of ${answer.results.length}:`);
  const [sentence] = document.sentence.exec(hit.text);
  quote(`… ${sentence} …`);
  note(`document  ${citation.document_title}, version ${citation.version}`);
  note(`where     ${pages}, characters ${citation.char_start}–${citation.char_end}`);
  note(`heading   ${heading}`);
  note(`score     ${hit.score.toFixed(3)} (cosine ${hit.scores.vector?.toFixed(3) ?? '–'}, BM25 ${hit.scores.keyword?.toFixed(1) ?? '–'})`);
}

/** Another tenant's document must look exactly like one that does not exist. */
async function lookFromOutside(stranger, document, documentId) {
  const anonymised = ({ request_id: _, instance: __, ...rest }) => rest;
  const missing = await stranger.refused(404, 'not_found', 'GET', `/api/v1/documents/${randomUUID()}`);
  const foreign = await stranger.refused(404, 'not_found', 'GET', `/api/v1/documents/${documentId}`);
  expect('the answer for a foreign document', anonymised(missing), anonymised(foreign));
  kept('the document: 404, the same answer as for one that does not exist');
  await stranger.refused(404, 'not_found', 'DELETE', `/api/v1/documents/${documentId}`);
  kept('deleting it: 404');
  expect('the list of documents', [], (await stranger.call(200, 'GET', '/api/v1/documents')).documents);
  kept('the list of documents: empty');
  expect('the results of the search', [], (await stranger.call(200, 'POST', '/api/v1/search', { query: document.question })).results);
  kept('the same search: no results');
}

async function play(anonymous, document) {
  step('The server is there');
  expect('GET /health', { status: 'healthy' }, await anonymous.call(200, 'GET', '/health'));
  expect('GET /health/ready', { status: 'ready' }, await anonymous.call(200, 'GET', '/health/ready'));
  kept('healthy and ready');

  step('A person registers and signs in');
  const ada = await signUp(anonymous, 'Ada Lovelace');

  step('She makes an API key for her program');
  const key = await createKey(ada);
  await anonymous.refused(401, 'unauthenticated', 'GET', '/api/v1/documents');
  kept('without a credential the API answers 401');
  const before = await usageOf(ada.client);
  expect('the usage before', { documents: 0, bytes: 0, vector_points: 0, reserved: 0, api_keys: 1 }, before);
  note(`usage so far: ${inWords(before)}`);

  step(`The program sends ${document.name}: ${document.about}, ${Math.ceil(document.bytes.length / 1024)} KiB`);
  const { document_id: documentId, task_id: jobId } = await upload(key.client, document);

  step('A worker reads, cuts, embeds and stores it');
  const seconds = await watch(key.client, jobId);
  const stored = await key.client.call(200, 'GET', `/api/v1/documents/${documentId}`);
  expect('the state of the document', 'INGESTED', stored.state);
  kept(`“${stored.title}” became ${count(stored.chunks, 'chunk')} in ${seconds.toFixed(1)} s, in the collection ${stored.collection_name}`);

  step('The program searches');
  await search(key.client, document, documentId);

  step('The tenant is charged for exactly what is stored');
  const after = await usageOf(ada.client);
  expect('the usage after', { ...before, documents: 1, bytes: document.bytes.length, vector_points: stored.chunks }, after);
  kept(`${inWords(after)}`);

  step('Another tenant looks for it');
  const grace = await signUp(anonymous, 'Grace Hopper');
  await lookFromOutside(grace.client, document, documentId);

  step('The document is deleted');
  await key.client.refused(403, 'insufficient_scope', 'DELETE', `/api/v1/documents/${documentId}`);
  kept('the key may not: it lacks the permission to write (403)');
  await ada.client.call(204, 'DELETE', `/api/v1/documents/${documentId}`);
  await ada.client.refused(404, 'not_found', 'GET', `/api/v1/documents/${documentId}`);
  expect('the results of the search', [], (await key.client.call(200, 'POST', '/api/v1/search', { query: document.question })).results);
  kept('its owner may; it is gone from every read at once');
  await within(PURGE_DEADLINE_MS, 'the usage after the deletion', before, () => usageOf(ada.client));
  kept(`and the usage is back at ${inWords(before)}`);

  step('The key is revoked');
  await ada.client.call(204, 'DELETE', `/api/v1/api-keys/${key.id}`);
  await within(REVOCATION_DEADLINE_MS, 'a request with the revoked key', 'refused', () =>
    key.client.refused(401, 'invalid_credentials', 'GET', '/api/v1/documents').then(
      () => 'refused',
      (error) => (error instanceof Unexpected ? `${error.came}` : Promise.reject(error)),
    ),
  );
  kept('it is refused (401), and the answer does not tell why');
  expect('the API keys in use', 0, (await usageOf(ada.client)).api_keys);
  kept('its place in the quota is free again');
}

function explain(error, url) {
  bar.end();
  if (error instanceof Unexpected) {
    const show = (value) => (typeof value === 'string' ? value : inspect(value, { depth: 6, breakLength: 100 })).replaceAll('\n', '\n               ');
    return `\n    ${red('✗')} ${error.message}\n      ${bold('expected')} ${show(error.expected)}\n      ${bold('came')}     ${show(error.came)}`;
  }
  if (error instanceof Unreachable && !error.wasThere) {
    return `The server at ${url} does not answer (${error.message}). Start it with \`npm start\`, or name another with \`npm run demo -- --url ADDRESS\`.`;
  }
  if (error instanceof Unreachable) return `\n    ${red('✗')} ${error.what}\n      ${bold('expected')} an answer\n      ${bold('came')}     ${error.message}`;
  return error.message;
}

let url = '';
try {
  url = readAddress();
  say(`${bold('MoRAG Server, the whole story')} ${dim(url)}`);
  await play(new Api(url), chooseDocument());
  say();
  say(green('Everything was as it should be.'));
} catch (error) {
  process.stderr.write(`${explain(error, url)}\n`);
  process.exitCode = 1;
}
