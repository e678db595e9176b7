import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { HTML_PAGE, makeDocx, makeEncryptedOffice, makePdf, wordParagraph } from '../fixtures/make.js';
import type { Answer } from '../support/api-client.js';
import { blobsOf } from '../support/disk.js';
import { administrator, createKey, createTenant, eventually, waitForTask, type Tenant } from '../support/factories.js';
import { setLimits } from '../support/quotas.js';
import { multipart } from '../support/raw-http.js';
import { TestApp } from '../support/test-app.js';
import { WebServer } from '../support/web-server.js';

const MIB = 1024 * 1024;
const onLinux = existsSync('/proc/self/cmdline') ? it : it.skip;
if (!existsSync('/proc/self/cmdline')) console.warn('skipped: only Linux tells in /proc which processes run');

/** Text that takes a parser long: a table of many cells. */
const SLOW_PAGE = `<html><body><table>${`<tr>${'<td>cell</td>'.repeat(20)}</tr>`.repeat(4000)}</table></body></html>`;
const paragraph = (about: string): string => `<p>${`The ${about} are described here at some length, with commas, so that a reader takes this for prose. `.repeat(6)}</p>`;
const SITE_PAGE = `<!doctype html><html lang="en"><head><title>Of puffins - The Bird Site</title><meta name="author" content="Ada Lovelace"><script>${'var noise = 1; '.repeat(2000)}</script></head><body>
  <header><div class="menu"><a href="/">Home</a> <a href="/shop">Shop</a></div></header>
  <div id="content"><h1>Of puffins</h1>${paragraph('puffins')}<h2>Nests</h2>${paragraph('burrows')}${paragraph('cliffs')}</div>
  <div class="sidebar">Subscribe to our newsletter</div><footer>Imprint and cookies</footer></body></html>`;

/** Children that read a file, of this process. */
async function children(): Promise<string[]> {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const read = (path: string): string => (existsSync(path) ? readFileSync(path, 'latin1') : '');
  return processes.filter((pid) => {
    try {
      return read(`/proc/${pid}/cmdline`).includes('extraction.process') && read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ')[1] === String(process.pid);
    } catch (error) {
      // It ended between the two looks.
      if (['ESRCH', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  });
}

/** The same, held still: none comes to its end by itself, and being killed is all that can happen to it. */
async function heldChildren(): Promise<string[]> {
  const pids = await children();
  for (const pid of pids) {
    try {
      process.kill(Number(pid), 'SIGSTOP');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  return pids;
}

describe('converting', () => {
  let server: TestApp;
  let site: WebServer;
  let tenant: Tenant;

  beforeAll(async () => {
    site = await WebServer.start();
    server = await TestApp.start({ OUTBOUND_ALLOW: site.host, MAX_UPLOAD_MB: '2' });
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    await setLimits(await administrator(server), tenant, { api_calls_per_hour: null });
  });
  afterEach(async () => {
    expect((await tenant.client.get('/api/v1/documents')).body.documents.filter(({ source_url }: { source_url: string | null }) => source_url === null)).toEqual([]);
    await eventually(() => blobsOf(server), (names) => !names.some((name) => name.startsWith('incoming')));
  });
  afterAll(async () => {
    await server.stop();
    await site.stop();
  });

  const form = (content: Buffer | string, name: string, type = ''): FormData => {
    const data = new FormData();
    data.set('file', new File([content], name, { type }));
    return data;
  };
  const convert = (content: Buffer | string, name: string, type?: string): Promise<Answer<any>> => tenant.client.send('POST', '/process/file', form(content, name, type));
  const convertUrl = (url: string): Promise<Answer<any>> => tenant.client.post('/process/url', { url });

  describe('a file', () => {
    it.each([
      ['PDF', makePdf(['Nothing here.', 'Puffins nest in burrows.'], { title: 'Of birds' }), 'birds.pdf', { title: 'Of birds', type: 'pdf', pages: 2 }, 'Puffins nest in burrows.'],
      ['DOCX', makeDocx(wordParagraph('Contract', 1) + wordParagraph('Either party may terminate.'), { title: 'The contract' }), 'contract.docx', { title: 'The contract', type: 'docx', pages: null }, '# Contract\n\nEither party may terminate.'],
      ['HTML', HTML_PAGE, 'returns.html', { title: 'Returns & refunds', type: 'html', pages: null }, 'returned within **14 days**'],
      ['Markdown', '# Title\n\nText.', 'x.md', { title: 'Title', type: 'md', pages: null }, '# Title\n\nText.'],
    ] as const)('answers %s as Markdown, and keeps nothing', async (_, content, name, metadata, text) => {
      const { status, body } = await convert(content, name);
      expect([status, body]).toMatchObject([200, { success: true, metadata: { ...metadata, name, size_bytes: Buffer.byteLength(content), source_url: null } }]);
      expect(body.content).toContain(text);
      expect(body.processing_time).toBeGreaterThan(0);
      expect(body.processing_time).toBeLessThan(60);
      const { body: quotas } = await tenant.client.get('/api/v1/tenant/quotas');
      expect(quotas.quotas.filter(({ resource_type, used }: { resource_type: string; used: number }) => ['documents', 'storage_mb', 'vector_points'].includes(resource_type) && used > 0)).toEqual([]);
    });

    it.each([
      ['encrypted', makeEncryptedOffice(), 'a.docx', 422, 'encrypted_file'],
      ['damaged', makePdf(['A page that will not be read.']).subarray(0, 300), 'a.pdf', 422, 'corrupt_file'],
      ['blank', makePdf(['', '']), 'a.pdf', 422, 'no_text'],
      ['empty', '', 'a.md', 422, 'empty_file'],
      ['not what it is called', 'Just text.', 'a.pdf', 415, 'type_mismatch'],
      ['a picture', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), 'a.png', 415, 'unsupported_type'],
      ['too large', Buffer.alloc(2 * MIB + 1, 'x'), 'a.txt', 413, 'payload_too_large'],
    ])('that is %s is refused with the code its document would fail with', async (_, content, name, status, code) => {
      expect(await convert(content, name)).toMatchObject({ status, body: { code, retryable: false, detail: expect.stringMatching(/^[A-Z].*\.$/) } });
    });

    it('comes as a form with that file and nothing else', async () => {
      const more = form('Text.', 'a.txt');
      more.set('title', 'x');
      expect(await tenant.client.send('POST', '/process/file', more)).toMatchObject({ status: 400, body: { errors: [{ field: 'title' }] } });
      expect(await tenant.client.send('POST', '/process/file', new FormData())).toMatchObject({ status: 400 });
      expect(await tenant.client.post('/process/file', { file: 'x' })).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } });
      await tenant.client.patch('/api/v1/tenant/configuration', { allowed_file_types: ['pdf'] });
      expect(await convert('Text.', 'a.txt')).toMatchObject({ status: 415, body: { code: 'type_not_allowed' } });
    });

    onLinux('is let go when the client hangs up, its process killed', async () => {
      const call = new AbortController();
      const answer = fetch(`${server.url}/process/file`, { method: 'POST', headers: { authorization: `Bearer ${tenant.token}` }, body: form(SLOW_PAGE, 'slow.html'), signal: call.signal });
      await eventually(heldChildren, (pids) => pids.length === 1).finally(() => call.abort());
      await expect(answer).rejects.toThrow('aborted');
      await eventually(children, (pids) => pids.length === 0);
    });

    onLinux('waits for no turn: beyond four at once it is refused for the moment', async () => {
      const calls = Array.from({ length: 4 }, () => new AbortController());
      const slow = calls.map(({ signal }) => fetch(`${server.url}/process/file`, { method: 'POST', headers: { authorization: `Bearer ${tenant.token}` }, body: form(SLOW_PAGE, 'slow.html'), signal }));
      const settled = Promise.allSettled(slow);
      try {
        await eventually(heldChildren, (pids) => pids.length === 4);
        const asked = site.requests.length;
        const body = multipart('xYzZY', [{ headers: 'name="file"; filename="a.txt"', content: 'Text.' }]);
        const refused = [await convertUrl(site.serve('/puffins', SITE_PAGE)), await tenant.client.send('POST', '/process/file', new Uint8Array(body), { 'content-type': 'multipart/form-data; boundary=xYzZY' })];
        for (const { status, headers, body: problem } of refused) {
          expect([status, problem]).toMatchObject([503, { code: 'conversions_busy', retryable: true }]);
          expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
        }
        expect(site.requests).toHaveLength(asked);
      } finally {
        for (const call of calls) call.abort();
      }
      await settled;
      await eventually(() => convert('Text.', 'a.txt'), ({ status }) => status === 200);
    });
  });

  describe('a URL', () => {
    it('answers a page’s main content, as its document would have it', async () => {
      const url = site.serve('/puffins', gzipSync(SITE_PAGE), { 'content-type': 'text/html', 'content-encoding': 'gzip' });
      const { status, body } = await convertUrl(`${url}#nests`);
      expect([status, body]).toMatchObject([200, { success: true, metadata: { title: 'Of puffins', type: 'html', name: 'puffins.html', source_url: url, properties: { author: 'Ada Lovelace', language: 'en' } } }]);
      expect(body.content).toMatch(/^# Of puffins\n\nThe puffins are described/);
      expect(body.content).toContain('\n\n## Nests\n\nThe burrows are');
      expect(body.content).not.toMatch(/newsletter|Imprint|Shop|noise/);
      const accepted = await tenant.client.post('/api/v1/ingest/url', { url });
      expect(await waitForTask(tenant.client, accepted.body.task_id)).toMatchObject({ status: 'completed' });
      const found = await tenant.client.post('/api/v1/search', { query: 'newsletter imprint burrows', top_k: 5 });
      expect(found.body.results.map(({ text }: { text: string }) => text).join()).not.toMatch(/newsletter|Imprint/);
      expect(found.body.results[0].citation.heading_path[0]).toBe('Of puffins');
    });

    it('answers the whole of a page that has no article, and of a file that was sent', async () => {
      const index = `<html><head><title>Index</title></head><body>${Array.from({ length: 60 }, (_, at) => `<div><a href="/${at}">Entry ${at}</a></div>`).join('')}</body></html>`;
      const { body } = await convertUrl(site.serve('/index', index));
      expect(body.content).toContain('Entry 0');
      expect(body.content).toContain('Entry 59');
      expect((await convert(SITE_PAGE, 'puffins.html')).body.content).toContain('newsletter');
    });

    it.each([
      ['that is not allowed', 'http://127.0.0.1:1/', 422, 'url_not_allowed'],
      ['that has nothing', '/nothing', 422, 'url_answered'],
      ['of a picture', '/picture', 415, 'unsupported_type'],
      ['of a page without text', '/blank', 422, 'no_text'],
      ['that is none', 'nonsense', 400, 'validation_failed'],
    ])('%s is refused', async (_, url, status, code) => {
      site.serve('/picture', 'x', { 'content-type': 'image/gif' });
      site.serve('/blank', '<html><body> </body></html>');
      expect(await convertUrl(url.startsWith('/') ? site.url(url) : url)).toMatchObject({ status, body: { code } });
    });
  });

  it('is for those who may process', async () => {
    const [reader, processor] = [await createKey(tenant.client, ['read', 'ingest']), await createKey(tenant.client, ['process'])];
    const send = ({ client }: typeof reader) => client.send('POST', '/process/file', form('Text.', 'a.txt'));
    expect([(await send(reader)).status, (await send(processor)).status]).toEqual([403, 200]);
    expect((await reader.client.post('/process/url', { url: site.url('/puffins') })).status).toBe(403);
  });
});
