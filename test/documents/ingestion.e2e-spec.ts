import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { VectorStore } from '../../src/databases/vector-stores/vector-store.js';
import { HTML_PAGE, makeDocx, makeEncryptedOffice, makePdf, makeZip, MARKDOWN_PAGE, wordParagraph } from '../fixtures/make.js';
import { makeEpub, makePptx, makeXlsx, pptxShape, xlsxRows } from '../fixtures/packages.js';
import type { ApiClient } from '../support/api-client.js';
import { blobsOf, isText } from '../support/disk.js';
import { administrator, createTenant, eventually, ingestText, waitForTask, type Tenant } from '../support/factories.js';
import { quotasOf, setLimits, usedBy } from '../support/quotas.js';
import { multipart, sendBytes, sendStream } from '../support/raw-http.js';
import { PurgeHandler } from '../../src/documents/purge.handler.js';
import { TestApp } from '../support/test-app.js';

const MIB = 1024 * 1024;

const collectionOf = (tenant: Tenant): string => `user_${tenant.userId}_default`;
const vectorsOf = (server: TestApp, tenant: Tenant): Promise<number> => server.app.get(VectorStore, { strict: false }).count(collectionOf(tenant), tenant.tenantId);

async function rowsOf(server: TestApp, tenant: Tenant, table: string): Promise<number> {
  const [row] = await server.database.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table} WHERE tenant_id = $1`, [tenant.tenantId]);
  return row!.n;
}

/** Everything a tenant's documents leave anywhere. */
async function traces(server: TestApp, tenant: Tenant): Promise<Record<string, number>> {
  const [documents, chunks, vectors, files, quotas] = await Promise.all([
    rowsOf(server, tenant, 'documents'),
    rowsOf(server, tenant, 'document_chunks'),
    vectorsOf(server, tenant),
    blobsOf(server).then((names) => names.filter((name) => name.startsWith(tenant.tenantId) || name.startsWith('incoming'))),
    quotasOf(tenant.client),
  ]);
  const { documents: counted, storage_mb, vector_points } = quotas;
  const texts = files.filter(isText).length;
  return { documents, chunks, vectors, blobs: files.length - texts, texts, 'documents used': counted!.used, 'bytes used': storage_mb!.used, 'points used': vector_points!.used, 'points reserved': vector_points!.reserved };
}

const NOTHING = { documents: 0, chunks: 0, vectors: 0, blobs: 0, texts: 0, 'documents used': 0, 'bytes used': 0, 'points used': 0, 'points reserved': 0 };
const isNothing = (seen: Record<string, number>): boolean => Object.values(seen).every((count) => count === 0);

describe('ingestion', () => {
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start({ MAX_UPLOAD_MB: '1' });
    admin = await administrator(server);
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    await setLimits(admin, tenant, { api_calls_per_hour: null });
  });
  afterAll(() => server.stop());

  async function ingested(content: Buffer | string, name: string, type: string) {
    const accepted = await tenant.client.upload(content, name, { type });
    expect([accepted.status, accepted.body]).toMatchObject([202, { status: 'pending' }]);
    expect(await waitForTask(tenant.client, accepted.body.task_id)).toMatchObject({ status: 'completed', progress: 1, error: null });
    return (await tenant.client.get(`/api/v1/documents/${accepted.body.document_id}`)).body;
  }

  describe('of each kind of file', () => {
    it.each([
      ['Markdown', MARKDOWN_PAGE, 'handbook.md', 'text/markdown', 'md', 'The handbook', 'twenty-five days a year', 3, { heading_path: ['Working here 👩‍💻', 'Time off'], page_from: null }],
      ['HTML', HTML_PAGE, 'returns.html', 'text/html', 'html', 'Returns & refunds', 'returned within 14 days', 2, { heading_path: ['Returns'], page_from: null }],
      ['plain text', 'Call me Ishmael. Some years ago, never mind how long.', 'moby.txt', 'text/plain', 'txt', 'moby.txt', 'Ishmael', 1, { heading_path: [], page_from: null }],
      ['DOCX', makeDocx(wordParagraph('Contract', 1) + wordParagraph('Either party may terminate in March.'), { title: 'The contract' }), 'contract.docx', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'docx', 'The contract', 'terminate March', 1, { heading_path: ['Contract'] }],
      ['XLSX', makeXlsx([{ name: 'Cover', content: xlsxRows([['Nothing here.']]) }, { name: 'Prices', content: xlsxRows([['Article', 'Price'], ['Walnut', 7], ['Bolt', 9]]) }], { title: 'Price list' }), 'prices.xlsx', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'xlsx', 'Price list', 'price of the article walnut', 2, { heading_path: ['Prices'], page_from: 2, page_to: 2 }],
      ['PPTX', makePptx([{ shapes: pptxShape(['Welcome'], 'title') + pptxShape(['Nothing here.']) }, { shapes: pptxShape(['Roadmap'], 'title') + pptxShape(['Ship in autumn.']), notes: 'Mention the delay.' }]), 'road.pptx', 'application/vnd.openxmlformats-officedocument.presentationml.presentation', 'pptx', 'Welcome', 'mention delay', 2, { heading_path: ['Roadmap'], page_from: 2, page_to: 2 }],
      ['EPUB', makeEpub(['<h1>One</h1><p>Nothing here.</p>', '<h1>Two</h1><p>The lighthouse went dark.</p>'], { title: 'A tale' }), 'tale.epub', 'application/epub+zip', 'epub', 'A tale', 'lighthouse dark', 2, { heading_path: ['Two'], page_from: null }],
      ['JSON Lines', '{"city":"Graz","birds":["swift"]}\n{"city":"Wien","birds":["gull"]}\n', 'birds.jsonl', 'application/x-ndjson', 'jsonl', 'birds.jsonl', 'city Graz swift', 1, { heading_path: [], page_from: null }],
      ['PDF', makePdf(['Nothing here.', 'Puffins nest in burrows.'], { title: 'Of birds' }), 'birds.pdf', 'application/pdf', 'pdf', 'Of birds', 'puffins burrows', 1, { page_from: 1, page_to: 2 }],
    ] as const)('cites a sentence of %s', async (_, content, name, mediaType, type, title, query, chunks, citation) => {
      const document = await ingested(content, name, mediaType);
      expect(document.chunks).toBe(chunks);
      const bytes = Buffer.from(content);
      expect(document).toMatchObject({ type, name, title, state: 'INGESTED', version: 1, size_bytes: bytes.length, content_checksum: createHash('sha256').update(bytes).digest('hex'), processing_error: null, collection_name: collectionOf(tenant) });
      const { body } = await tenant.client.post('/api/v1/search', { query });
      expect(body.results[0].citation).toMatchObject({ document_id: document.id, document_title: title, version: 1, ...citation });
      expect(await vectorsOf(server, tenant)).toBe(chunks);
    });

    it('keeps the headings of each piece apart, and its place in code points', async () => {
      const section = (name: string): string => `## ${name}\n\n${`🐦 ${name} is told here at length. `.repeat(12)}\n\n`;
      const accepted = await tenant.client.post('/api/v1/ingest/text', { title: 'Birds', content: `# Birds\n\n${section('Gulls')}${section('Terns')}`, chunk_size: 200, chunk_overlap: 0 });
      expect(await waitForTask(tenant.client, accepted.body.task_id)).toMatchObject({ status: 'completed' });
      const { body } = await tenant.client.post('/api/v1/search', { query: 'terns told', top_k: 1 });
      expect(body.results[0].citation.heading_path).toEqual(['Birds', 'Terns']);
      const [stored] = await server.database.query<{ length: number }>('SELECT sum(char_end - char_start)::int AS length FROM document_chunks WHERE document_id = $1', [accepted.body.document_id]);
      const text = [...`# Birds\n\n${section('Gulls')}${section('Terns')}`];
      expect(stored!.length).toBeLessThanOrEqual(text.length);
      const { char_start, char_end } = body.results[0].citation;
      expect(text.slice(char_start, char_end).join('')).toBe(body.results[0].text);
    });

    it('takes the sender’s title before the file’s own', async () => {
      const accepted = await tenant.client.upload(makePdf(['A page.'], { title: 'Own title' }), 'a.pdf', { fields: { title: 'Chosen', metadata: '{"a":[1,{"b":null}]}' } });
      await waitForTask(tenant.client, accepted.body.task_id);
      expect((await tenant.client.get(`/api/v1/documents/${accepted.body.document_id}`)).body).toMatchObject({ title: 'Chosen', metadata: { a: [1, { b: null }] } });
    });
  });

  describe('that fails', () => {
    it('fails each document alone, with a stable code and nothing charged', async () => {
      const damaged = makePdf(['A page that will not be read.']).subarray(0, 300);
      const files = [
        ['encrypted.pdf', makePdf(['Locked.'], { encrypted: true }), 'encrypted_file'],
        ['encrypted.docx', makeEncryptedOffice(), 'encrypted_file'],
        ['damaged.pdf', damaged, 'corrupt_file'],
        ['damaged.docx', makeDocx(wordParagraph('Cut short.')).subarray(0, 400), 'corrupt_file'],
        ['package.docx', makeZip([{ name: 'word/nothing.xml', content: '<x/>' }]), 'type_mismatch'],
        ['encrypted.xlsx', Buffer.concat([makeEncryptedOffice(), Buffer.alloc(1)]), 'encrypted_file'],
        ['broken.json', '{"a":1,}', 'corrupt_file'],
        ['blank.pdf', makePdf(['', '']), 'no_text'],
        ['blank.md', ' \n\t \n', 'no_text'],
      ] as const;
      const accepted = await Promise.all(files.map(([name, content]) => tenant.client.upload(content, name)));
      const good = ingestText(tenant.client, 'Good', 'This one is fine.');
      expect(accepted.map(({ status }) => status)).toEqual(files.map(() => 202));
      const ended = await Promise.all(accepted.map(({ body }) => waitForTask(tenant.client, body.task_id)));
      expect(ended.map(({ status, error }, at) => [files[at]![0], status, error?.split(':')[0]])).toEqual(files.map(([name, , code]) => [name, 'failed', code]));
      for (const [at, { body }] of accepted.entries()) {
        const document = (await tenant.client.get(`/api/v1/documents/${body.document_id}`)).body;
        expect(document).toMatchObject({ state: 'FAILED', chunks: 0, processing_error: { code: files[at]![2], stage: 'extracting', message: expect.stringMatching(/^[A-Z].*\.$/) } });
        expect((await tenant.client.get(`/api/v1/jobs/${body.task_id}`)).body).toMatchObject({ status: 'FAILED', attempt: 1, error: { code: files[at]![2], retryable: false } });
      }
      await good;
      expect(await traces(server, tenant)).toMatchObject({ vectors: 1, 'documents used': 1, 'points used': 1, 'points reserved': 0 });
    });

    it.each([
      ['a PDF that is none', 'Just words.', 'words.pdf', 'application/pdf', 415, 'type_mismatch'],
      ['prose called JSON', 'Just words.', 'words.json', 'application/json', 415, 'type_mismatch'],
      ['a workbook called a presentation', makeXlsx([{ name: 'S', content: xlsxRows([['x']]) }]), 'a.pptx', 'application/octet-stream', 415, 'type_mismatch'],
      ['a page called PDF', HTML_PAGE, 'page.pdf', 'text/html', 415, 'type_mismatch'],
      ['an executable', Buffer.concat([Buffer.from('7f454c46', 'hex'), randomBytes(200)]), 'tool', 'application/octet-stream', 415, 'unsupported_type'],
      ['a picture called text', Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), randomBytes(200)]), 'notes.txt', 'text/plain', 415, 'type_mismatch'],
      ['an empty file', '', 'empty.txt', 'text/plain', 422, 'empty_file'],
    ])('refuses %s at once', async (_, content, name, type, status, code) => {
      expect(await tenant.client.upload(content, name, { type })).toMatchObject({ status, body: { code, status, retryable: false } });
      expect(await traces(server, tenant)).toEqual(NOTHING);
    });

    it('lets the same bytes be sent again', async () => {
      const blank = makePdf(['', '']);
      const first = await tenant.client.upload(blank, 'blank.pdf');
      expect(await waitForTask(tenant.client, first.body.task_id)).toMatchObject({ status: 'failed' });
      const second = await tenant.client.upload(blank, 'blank.pdf');
      expect(second.status).toBe(202);
      expect(second.body.document_id).not.toBe(first.body.document_id);
      expect(await waitForTask(tenant.client, second.body.task_id)).toMatchObject({ status: 'failed' });
    });
  });

  describe('of the same bytes', () => {
    it('names the one that is there, also after the name changed', async () => {
      const id = await ingestText(tenant.client, 'One', 'The very same words.');
      const again = await tenant.client.post('/api/v1/ingest/text', { title: 'Two', content: 'The very same words.' });
      expect(again).toMatchObject({ status: 409, body: { code: 'duplicate_document', document_id: id, retryable: false } });
      const asFile = await tenant.client.upload('The very same words.', 'three.txt');
      expect(asFile).toMatchObject({ status: 409, body: { document_id: id } });
      expect(await traces(server, tenant)).toMatchObject({ documents: 1, blobs: 1, 'documents used': 1, 'bytes used': 20 });
    });

    it('takes them in another database and in another tenant', async () => {
      await ingestText(tenant.client, 'One', 'The very same words.');
      await tenant.client.post('/api/v1/databases', { name: 'second' });
      expect((await tenant.client.post('/api/v1/ingest/text', { title: 'One', content: 'The very same words.', database: 'second' })).status).toBe(202);
      const other = await createTenant(server.anonymous);
      expect((await other.client.post('/api/v1/ingest/text', { title: 'One', content: 'The very same words.' })).status).toBe(202);
    });

    it('takes one of two that arrive at once, and of ten', async () => {
      for (const count of [2, 10]) {
        const content = `Sent ${count} times at once.`;
        const answers = await Promise.all(Array.from({ length: count }, () => tenant.client.upload(content, 'same.txt')));
        const taken = answers.filter(({ status }) => status === 202);
        expect(taken).toHaveLength(1);
        for (const { status, body } of answers) if (status !== 202) expect([status, body]).toMatchObject([409, { code: 'duplicate_document', document_id: taken[0]!.body.document_id }]);
      }
      expect(await traces(server, tenant)).toMatchObject({ documents: 2, blobs: 2, 'documents used': 2 });
    });

    it('takes them again once the first was deleted', async () => {
      const id = await ingestText(tenant.client, 'One', 'Comes and goes.');
      await tenant.client.delete(`/api/v1/documents/${id}`);
      const again = await ingestText(tenant.client, 'One', 'Comes and goes.');
      await eventually(() => traces(server, tenant), ({ documents, vectors }) => documents === 1 && vectors === 1);
      expect((await tenant.client.post('/api/v1/search', { query: 'comes goes' })).body.results[0].citation.document_id).toBe(again);
    });
  });

  describe('with options', () => {
    it.each([[100, 100], [200, 4000], [2000, 2000]])('refuses chunks of %d characters that share %d', async (chunk_size, chunk_overlap) => {
      expect(await tenant.client.post('/api/v1/ingest/text', { title: 'x', content: 'x', chunk_size, chunk_overlap })).toMatchObject({ status: 422, body: { code: 'invalid_chunking' } });
      expect(await tenant.client.upload('x', 'x.txt', { fields: { chunk_size: String(chunk_size), chunk_overlap: String(chunk_overlap) } })).toMatchObject({ status: 422, body: { code: 'invalid_chunking' } });
      expect(await traces(server, tenant)).toEqual(NOTHING);
    });

    it.each([{ chunk_size: 99 }, { chunk_size: 16_001 }, { chunk_overlap: -1 }, { chunk_overlap: 4001 }, { chunk_size: 'many' }, { metadata: [1] }, { metadata: 'words' }, { database: '../etc' }, { title: '' }, { surprise: 1 }, { content: 7 }])(
      'refuses %j',
      async (wrong) => {
        const { status, body } = await tenant.client.post('/api/v1/ingest/text', { title: 'x', content: 'x', ...wrong });
        expect([status, body]).toMatchObject([400, { code: 'validation_failed', errors: [{ field: Object.keys(wrong)[0] }] }]);
      },
    );

    it.each([['a NUL', 'a\u0000b'], ['a lone surrogate', 'a\ud800b']])('refuses or cleans %s in title, metadata and text, and never fails', async (_, odd) => {
      for (const body of [{ title: odd, content: 'x' }, { title: 'x', content: `${odd} y` }, { title: 'x', content: 'z', metadata: { odd } }, { title: 'x', content: 'z', metadata: { [odd]: 1 } }]) {
        const answer = await tenant.client.post('/api/v1/ingest/text', body);
        // A NUL within the text itself makes it a binary file.
        expect([202, 400, 415]).toContain(answer.status);
        if (answer.status === 202) expect(await waitForTask(tenant.client, answer.body.task_id)).toMatchObject({ status: 'completed' });
      }
    });
  });

  describe('of a form', () => {
    const BOUNDARY = 'xYzZY';
    const FILE = { headers: 'name="file"; filename="a.txt"', content: 'Some words that are long enough. '.repeat(2000) };
    const send = (body: Buffer, contentType = `multipart/form-data; boundary=${BOUNDARY}`) => tenant.client.send('POST', '/api/v1/ingest/file', body, { 'content-type': contentType });
    const field = (name: string, content: string) => ({ headers: `name="${name}"`, content });

    it.each([
      ['ends early within the file', () => send(multipart(BOUNDARY, [FILE], false).subarray(0, 30_000))],
      ['ends before its last boundary', () => send(multipart(BOUNDARY, [FILE], false))],
      ['has another boundary than it says', () => send(multipart('other', [FILE]))],
      ['names no boundary', () => send(multipart(BOUNDARY, [FILE]), 'multipart/form-data')],
      ['is empty', () => send(Buffer.alloc(0))],
      ['is not a form at all', () => send(randomBytes(5000))],
      ['has no file', () => send(multipart(BOUNDARY, [field('title', 'x')]))],
      ['has two files', () => send(multipart(BOUNDARY, [FILE, { ...FILE, content: 'Another.' }]))],
      ['has a file in another field', () => send(multipart(BOUNDARY, [{ ...FILE, headers: 'name="attachment"; filename="a.txt"' }]))],
      ['has a second file in another field', () => send(multipart(BOUNDARY, [FILE, { headers: 'name="other"; filename="b.txt"', content: 'x' }]))],
      ['has an unknown field', () => send(multipart(BOUNDARY, [FILE, field('surprise', 'x')]))],
      ['has an unknown field before the file', () => send(multipart(BOUNDARY, [field('surprise', 'x'), FILE]))],
      ['has metadata that is not JSON', () => send(multipart(BOUNDARY, [FILE, field('metadata', '{not json')]))],
      ['has metadata that is no object', () => send(multipart(BOUNDARY, [FILE, field('metadata', '"text"')]))],
      ['has thirty fields', () => send(multipart(BOUNDARY, [...Array.from({ length: 30 }, (_, at) => field(`f${at}`, 'x')), FILE]))],
      ['has a field of prototypes', () => send(multipart(BOUNDARY, [field('__proto__', 'x'), FILE]))],
      ['has a database_id that is none', () => send(multipart(BOUNDARY, [FILE, field('database_id', 'x')]))],
      ['has too long a title', () => send(multipart(BOUNDARY, [FILE, field('title', 'x'.repeat(501))]))],
    ])('that %s is a 400 and leaves nothing', async (_, ask) => {
      const { status, headers, body } = await ask();
      expect([status, body]).toMatchObject([400, { status: 400, code: expect.stringMatching(/^(?:malformed_request|validation_failed)$/), retryable: false }]);
      expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
      await eventually(() => traces(server, tenant), isNothing);
    });

    it('that is no form is a 415', async () => {
      expect(await tenant.client.post('/api/v1/ingest/file', { file: 'x' })).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } });
    });

    it.each(['end', 'cut'] as const)('whose connection is lost half-way (%s) leaves nothing, and the server goes on', async (then) => {
      const body = multipart(BOUNDARY, [{ ...FILE, content: 'x'.repeat(500_000) }]);
      const head = `POST /api/v1/ingest/file HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tenant.token}\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\n`;
      const half = body.subarray(0, 200_000);
      const sent = [`${head}Content-Length: ${body.length}\r\n\r\n`, `${head}Transfer-Encoding: chunked\r\n\r\n${(400_000).toString(16)}\r\n`];
      await Promise.all(sent.flatMap((headers) => Array.from({ length: 5 }, () => sendBytes(server.url, Buffer.concat([Buffer.from(headers), half]), then))));
      await eventually(() => traces(server, tenant), isNothing);
      expect((await tenant.client.upload('After the storm.', 'a.txt')).status).toBe(202);
    });

    it('with a file over the limit is a 413 and leaves nothing, whether it says its length or not', async () => {
      const headers = { authorization: `Bearer ${tenant.token}`, 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
      const url = `${server.url}/api/v1/ingest/file`;
      for (const size of [MIB + 1, MIB + 500_000, 3_000_000]) {
        const body = multipart(BOUNDARY, [{ ...FILE, content: Buffer.alloc(size, 'x') }]);
        const pieces = (): Readable => Readable.from((function* cut() {
          for (let at = 0; at < body.length; at += 65_536) yield body.subarray(at, at + 65_536);
        })());
        for (const more of [{ 'content-length': String(body.length) }, { 'transfer-encoding': 'chunked' }] as Record<string, string>[]) {
          const answer = await sendStream(url, { ...headers, ...more }, pieces());
          expect([size, more, answer]).toMatchObject([size, more, { status: 413, contentType: expect.stringContaining('application/problem+json'), body: { code: 'payload_too_large', retryable: false } }]);
          await eventually(() => traces(server, tenant), isNothing);
        }
      }
      const exact = multipart(BOUNDARY, [{ ...FILE, content: Buffer.alloc(MIB, 'x') }]);
      expect((await send(exact)).status).toBe(202);
    });

    it('refused half-way does not stand before the next request of its connection', async () => {
      const next = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
      // Where the reading stops is a matter of timing, so many connections are asked.
      const statuses = await Promise.all(
        Array.from({ length: 30 }, async (_, at) => {
          const body = multipart(BOUNDARY, [{ ...FILE, content: Buffer.alloc(MIB + 1 + at * 30_000, 'x') }]);
          const head = `POST /api/v1/ingest/file HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tenant.token}\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\nContent-Length: ${body.length}\r\n\r\n`;
          const answers = await sendBytes(server.url, Buffer.concat([Buffer.from(head), body, Buffer.from(next)]), 'wait');
          return [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status).join();
        }),
      );
      expect(statuses).toEqual(statuses.map(() => '413,200'));
    });

    it('shows the name of the file without directories and signs that cannot be seen', async () => {
      const accepted = await send(multipart(BOUNDARY, [{ headers: 'name="file"; filename="../../etc/\u202egnp.txt"', content: 'Words.' }]));
      expect(accepted.status).toBe(202);
      expect((await tenant.client.get(`/api/v1/documents/${accepted.body.document_id}`)).body.name).toBe('gnp.txt');
      expect(await blobsOf(server)).toContain(`${tenant.tenantId}/${accepted.body.document_id}`);
    });
  });

  describe('undone by a delete', () => {
    it('is unreadable at once, and leaves nothing within ten seconds', async () => {
      const id = await ingestText(tenant.client, 'Goes', `Words to be forgotten. ${'More of them. '.repeat(300)}`, { chunk_size: 200, chunk_overlap: 20 });
      expect(await traces(server, tenant)).toMatchObject({ documents: 1, blobs: 1, 'documents used': 1 });
      expect((await tenant.client.delete(`/api/v1/documents/${id}`)).status).toBe(204);
      expect(await tenant.client.get(`/api/v1/documents/${id}`)).toMatchObject({ status: 404 });
      expect((await tenant.client.get('/api/v1/documents')).body.documents).toEqual([]);
      expect((await tenant.client.post('/api/v1/search', { query: 'words to be forgotten' })).body.results).toEqual([]);
      expect((await tenant.client.delete(`/api/v1/documents/${id}`)).status).toBe(404);
      await eventually(() => traces(server, tenant), isNothing, 10_000);
    });

    it('of a failed document gives back nothing twice', async () => {
      const kept = await ingestText(tenant.client, 'Stays', 'Some words that stay.');
      const failed = await tenant.client.upload(makePdf(['']), 'blank.pdf');
      await waitForTask(tenant.client, failed.body.task_id);
      const before = await usedBy(tenant.client);
      expect((await tenant.client.delete(`/api/v1/documents/${failed.body.document_id}`)).status).toBe(204);
      await eventually(() => rowsOf(server, tenant, 'documents'), (rows) => rows === 1);
      expect(await usedBy(tenant.client)).toMatchObject({ ...before, api_calls_per_hour: expect.any(Number) });
      expect((await tenant.client.get(`/api/v1/documents/${kept}`)).body.state).toBe('INGESTED');
    });

    it('comes by itself to a failed one, and to no other', async () => {
      const failed = await tenant.client.upload('   \n  ', 'blank.txt');
      await waitForTask(tenant.client, failed.body.task_id);
      const kept = await ingestText(tenant.client, 'Stays', 'A text that was read without any trouble.');
      const purge = server.app.get(PurgeHandler, { strict: false });
      for (const documentId of [failed.body.document_id, kept]) await purge.run({ tenantId: tenant.tenantId, documentId, collection: `user_${tenant.userId}_default`, expires: 'yes' });
      expect((await tenant.client.get(`/api/v1/documents/${failed.body.document_id}`)).status).toBe(404);
      expect((await tenant.client.get(`/api/v1/documents/${kept}`)).body.state).toBe('INGESTED');
      expect(await traces(server, tenant)).toMatchObject({ documents: 1, blobs: 1, 'documents used': 1 });
    });

    it('at any moment of the ingestion ends with nothing', async () => {
      const answers = await Promise.all(
        Array.from({ length: 16 }, async (_, at) => {
          const accepted = await tenant.client.post('/api/v1/ingest/text', { title: `Text ${at}`, content: `Short lived ${at}. `.repeat(60), chunk_size: 100, chunk_overlap: 0 });
          const path = `/api/v1/status/${accepted.body.task_id}`;
          await eventually(() => tenant.client.get(path), ({ body }) => body.progress * 16 >= at || body.status !== 'pending');
          return (await tenant.client.delete(`/api/v1/documents/${accepted.body.document_id}`)).status;
        }),
      );
      expect(answers).toEqual(answers.map(() => 204));
      await eventually(() => traces(server, tenant), isNothing);
      const { body } = await tenant.client.get('/api/v1/jobs');
      expect(body.jobs.map(({ status }: { status: string }) => status).filter((status: string) => !['CANCELLED', 'FINISHED'].includes(status))).toEqual([]);
    });
  });
});

describe('ingestion with an embedding provider', () => {
  const DIMENSIONS = 4;
  let provider: Server;
  /** What the next requests are answered with; then 200. */
  let refusals: number[];
  /** Held back until the test lets go. */
  let gate: Promise<void> | undefined;
  let asked: number;
  let server: TestApp;
  let tenant: Tenant;

  beforeAll(async () => {
    provider = createServer((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (part: string) => (text += part));
      request.on('end', () => {
        asked += 1;
        const status = refusals.shift() ?? 200;
        const { input } = JSON.parse(text) as { input: string[] };
        const data = input.map((_, index) => ({ index, embedding: Array.from({ length: DIMENSIONS }, (_number, at) => at + 1 + index) }));
        // The client library tries again by itself after a 500; the second time it is the job that has to.
        const retry = status === 500 ? 'true' : 'false';
        const answer = (): unknown => response.writeHead(status, { 'content-type': 'application/json', 'x-should-retry': retry }).end(JSON.stringify(status === 200 ? { data } : { error: { message: 'provider secret words' } }));
        void (gate ?? Promise.resolve()).then(answer);
      });
    });
    await once(provider.listen(0, '127.0.0.1'), 'listening');
    const { port } = provider.address() as AddressInfo;
    server = await TestApp.start({ EMBEDDING_PROVIDER: 'openai', EMBEDDING_URL: `http://127.0.0.1:${port}/v1`, EMBEDDING_MODEL: 'test', EMBEDDING_DIMENSIONS: String(DIMENSIONS), EMBEDDING_API_KEY: 'sk-test' });
  });
  beforeEach(async () => {
    [refusals, gate, asked] = [[], undefined, 0];
    tenant = await createTenant(server.anonymous);
    await setLimits(await administrator(server), tenant, { api_calls_per_hour: null });
  });
  afterAll(async () => {
    await server.stop();
    provider.closeAllConnections();
    provider.close();
  });

  const send = (content: string) => tenant.client.post('/api/v1/ingest/text', { title: 'A text', content });

  it('tries again while the provider is down, until it works', async () => {
    refusals = [500, 503];
    const { body } = await send('Words that take more attempts.');
    expect(await waitForTask(tenant.client, body.task_id)).toMatchObject({ status: 'completed', error: null });
    expect((await tenant.client.get(`/api/v1/jobs/${body.task_id}`)).body).toMatchObject({ status: 'FINISHED', attempt: 2, error: null, percentage: 100 });
    expect((await tenant.client.get(`/api/v1/documents/${body.document_id}`)).body).toMatchObject({ state: 'INGESTED', processing_error: null });
    expect(asked).toBe(3);
    expect(await traces(server, tenant)).toEqual({ documents: 1, chunks: 1, vectors: 1, blobs: 1, texts: 1, 'documents used': 1, 'bytes used': 30, 'points used': 1, 'points reserved': 0 });
  });

  it('reserves nothing between two attempts', async () => {
    refusals = Array<number>(20).fill(500);
    const { body } = await send('Words that wait for another attempt.');
    // The pauses are short at first: what was seen counts when the same one was there before and after.
    const look = async () => (await tenant.client.get(`/api/v1/jobs/${body.task_id}`)).body;
    const { seen } = await eventually(
      async () => ({ before: await look(), seen: await traces(server, tenant), after: await look() }),
      ({ before, after }) => before.status === 'PENDING' && before.attempt > 0 && after.status === 'PENDING' && after.attempt === before.attempt,
    );
    expect(seen).toMatchObject({ 'documents used': 1, 'points used': 0, 'points reserved': 0 });
    refusals = [];
    expect(await waitForTask(tenant.client, body.task_id)).toMatchObject({ status: 'completed' });
    expect(await traces(server, tenant)).toMatchObject({ 'points used': 1, 'points reserved': 0 });
  });

  it('fails at once when the provider refuses the credential, and charges nothing', async () => {
    refusals = [401, 401, 401, 401, 401, 401];
    const { body } = await send('Words nobody will embed.');
    expect(await waitForTask(tenant.client, body.task_id)).toMatchObject({ status: 'failed', error: expect.stringMatching(/^unauthorized: /) });
    const document = (await tenant.client.get(`/api/v1/documents/${body.document_id}`)).body;
    expect(document).toMatchObject({ state: 'FAILED', processing_error: { code: 'unauthorized', stage: 'embedding' } });
    expect(JSON.stringify(document)).not.toMatch(/secret|sk-test/);
    expect(asked).toBe(1);
    expect(await traces(server, tenant)).toEqual({ ...NOTHING, documents: 1, blobs: 1 });
  });

  it('stops for a document that is deleted meanwhile, and never brings it back', async () => {
    const held = Promise.withResolvers<void>();
    gate = held.promise;
    const { body } = await send('Words that are deleted while they are embedded.');
    await eventually(async () => asked, (count) => count === 1);
    expect((await tenant.client.delete(`/api/v1/documents/${body.document_id}`)).status).toBe(204);
    await eventually(() => traces(server, tenant), isNothing);
    held.resolve();
    await eventually(() => tenant.client.get(`/api/v1/status/${body.task_id}`), (seen) => seen.body.status === 'cancelled');
    expect((await tenant.client.get(`/api/v1/documents/${body.document_id}`)).status).toBe(404);
    expect(await traces(server, tenant)).toEqual(NOTHING);
  });

  it('takes back vectors that were stored after their document had been deleted', async () => {
    const store = server.app.get(VectorStore, { strict: false });
    const replace = store.replaceDocument.bind(store);
    const [begun, stored, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    // Only delayed: the vectors are really written, long after the purge has passed.
    store.replaceDocument = async (...args) => {
      begun.resolve();
      await held.promise;
      await replace(...args);
      stored.resolve();
    };
    try {
      const { body } = await send('Words whose vectors come too late.');
      await begun.promise;
      expect((await tenant.client.delete(`/api/v1/documents/${body.document_id}`)).status).toBe(204);
      await eventually(() => traces(server, tenant), isNothing);
      held.resolve();
      await stored.promise;
      await eventually(() => traces(server, tenant), isNothing);
      expect((await tenant.client.post('/api/v1/search', { query: 'vectors late' })).body.results).toEqual([]);
    } finally {
      store.replaceDocument = replace;
    }
  });
});
