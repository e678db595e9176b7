import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { createTenant } from '../support/factories.js';
import { sendStream } from '../support/raw-http.js';
import { ServerProcess } from '../support/server-process.js';
import { TestDatabase } from '../support/test-database.js';

const MIB = 1024 * 1024;
/** A gigabyte takes ten seconds, which every run should not; `MORAG_TEST_GIGABYTE=1` asks for it. */
const FILE_MIB = process.env['MORAG_TEST_GIGABYTE'] === '1' ? 1024 : 200;
const FILE_BYTES = FILE_MIB * MIB;
const BOUNDARY = 'xYzZY';

const onLinux = process.platform === 'linux' ? it : it.skip;
if (process.platform !== 'linux') console.warn('skipped: only Linux tells in /proc how much memory another process holds');

function residentBytes(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]) * 1024;
}

describe('an upload', () => {
  let database: TestDatabase;
  let dataDir: string;
  let server: ServerProcess;

  beforeAll(async () => {
    database = await TestDatabase.create();
    dataDir = await mkdtemp(path.join(tmpdir(), 'morag-streaming-'));
    // Nobody processes the file here: it is the API's memory that counts.
    server = await ServerProcess.start({ DATABASE_URL: database.url, DATA_DIR: dataDir, MAX_UPLOAD_MB: '1100', ROLE: 'api', LOG_LEVEL: 'info' });
  });
  afterAll(async () => {
    await server.end();
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  onLinux(`of ${FILE_MIB} MiB passes through with less than 100 MiB of memory, and arrives whole`, async () => {
    const tenant = await createTenant(server.client);
    // A smaller one first, so that code is compiled and buffers are pooled: what is asked is whether memory grows with the file.
    await tenant.client.upload(Buffer.alloc(40 * MIB, 'A first one. '), 'first.txt');
    const pid = server.child.pid!;
    const before = residentBytes(pid, 'VmRSS');
    const hash = createHash('sha256');
    const line = Buffer.from(`${'All work and no play makes a dull file. '.repeat(1600)}\n`);
    const body = Readable.from((function* form() {
      yield Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="large.txt"\r\nContent-Type: text/plain\r\n\r\n`);
      for (let sent = 0; sent < FILE_BYTES; sent += line.length) {
        const piece = line.subarray(0, FILE_BYTES - sent);
        hash.update(piece);
        yield piece;
      }
      yield Buffer.from(`\r\n--${BOUNDARY}--\r\n`);
    })());
    const accepted = await sendStream(`${server.url}/api/v1/ingest/file`, { authorization: `Bearer ${tenant.token}`, 'content-type': `multipart/form-data; boundary=${BOUNDARY}`, 'transfer-encoding': 'chunked' }, body);
    // The highest it ever was, not what is left after a collection.
    const grownMiB = (residentBytes(pid, 'VmHWM') - before) / MIB;
    expect(accepted).toMatchObject({ status: 202, body: { status: 'pending' } });
    const document = await tenant.client.get(`/api/v1/documents/${accepted.body.document_id}`);
    expect(document.body).toMatchObject({ size_bytes: FILE_BYTES, content_checksum: hash.digest('hex'), state: 'PENDING' });
    console.info(`the server grew by ${grownMiB.toFixed(0)} MiB (from ${(before / MIB).toFixed(0)} MiB) during an upload of ${FILE_MIB} MiB`);
    expect(grownMiB).toBeLessThan(100);
  });
});
