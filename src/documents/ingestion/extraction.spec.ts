import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HTML_PAGE, MARKDOWN_PAGE, makeDocx, makeEncryptedOffice, makePdf, makeZip, wordParagraph } from '../../../test/fixtures/make.js';
import { Extraction, type ExtractionOptions } from './extraction.js';
import type { ReadableType } from './media-type.js';
import { openFile, opened } from '../storage/open-blob.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'morag-extraction-'));
});
afterAll(() => rm(directory, { recursive: true }));

const file = (path: string) => () => opened(openFile(path), path);

let files = 0;
async function extract(content: Buffer | string, type: ReadableType, options: ExtractionOptions = {}, signal?: AbortSignal) {
  const path = join(directory, `${(files += 1)}`);
  await writeFile(path, content);
  return new Extraction(options).extract(file(path), { type }, signal);
}

/** A child that does `code` where the real one would parse; `size` is that of its input. */
async function childThat(code: string): Promise<string> {
  const home = await mkdtemp(join(directory, 'child-'));
  await writeFile(join(home, 'entry.mjs'), `process.on('disconnect', () => process.exit());\nprocess.on('message', async ({ size }) => {${code}});`);
  return join(home, 'entry.mjs');
}

describe('a document', () => {
  it('PDF: has its text by pages, found again by code point offsets', async () => {
    const document = await extract(makePdf(['The first page (of two).', 'The second page.'], { title: 'Two pages' }), 'pdf');
    expect(document.title).toBe('Two pages');
    expect(document.pages.map(({ number, charStart, charEnd }) => [number, document.text.slice(charStart, charEnd)])).toEqual([
      [1, 'The first page (of two).'],
      [2, 'The second page.'],
    ]);
  });

  it('DOCX: becomes Markdown with its headings and title', async () => {
    const body = wordParagraph('Guide', 1) + wordParagraph('Text &amp; more.') + wordParagraph('Refunds', 2) + wordParagraph('14 days.');
    const document = await extract(makeDocx(body, { title: 'R&amp;D' }), 'docx');
    expect(document).toMatchObject({ title: 'R&D', text: '# Guide\n\nText & more.\n\n## Refunds\n\n14 days.' });
    expect(document.headings).toEqual([
      { level: 1, text: 'Guide', charStart: 0 },
      { level: 2, text: 'Refunds', charStart: 23 },
    ]);
  });

  it('HTML and Markdown: come through the child as they do without', async () => {
    expect((await extract(HTML_PAGE, 'html')).title).toBe('Returns & refunds');
    expect((await extract(MARKDOWN_PAGE, 'md')).text).toBe(MARKDOWN_PAGE);
  });

  it('of 50 MB comes back whole', async () => {
    const text = 'Fünfzig Megabyte reiner Text. '.repeat(1_700_000);
    expect((await extract(text, 'txt')).text === text).toBe(true);
  });
});

describe('a file that cannot be read fails with a stable code', () => {
  it.each<[string, Buffer, ReadableType, string]>([
    ['a PDF without text', makePdf(['']), 'pdf', 'no_text'],
    ['a PDF with a password', makePdf(['secret'], { encrypted: true }), 'pdf', 'encrypted_file'],
    ['a PDF cut in half', makePdf(['text']).subarray(0, 60), 'pdf', 'corrupt_file'],
    ['a Word document with a password', makeEncryptedOffice(), 'docx', 'encrypted_file'],
    ['a Word document cut off', makeDocx(wordParagraph('text')).subarray(0, 900), 'docx', 'corrupt_file'],
    ['a Word document with broken XML', makeDocx('<w:p><w:r>'), 'docx', 'corrupt_file'],
    ['an archive bomb', makeZip([{ name: 'word/document.xml', content: Buffer.alloc(50_000_000) }]), 'docx', 'archive_limits'],
    ['bytes behind a beginning of text', Buffer.concat([Buffer.alloc(70_000, 'a'), Buffer.alloc(9)]), 'txt', 'type_mismatch'],
    ['nothing', Buffer.alloc(0), 'md', 'empty_file'],
  ])('%s', async (_name, content, type, code) => {
    await expect(extract(content, type)).rejects.toMatchObject({ name: 'ExtractionFailed', code, permanent: true });
  });
});

describe('a child that read a file', () => {
  /** Answers when it has read the file, as the real one does: what is still to come of one that was answered ends the child. */
  const telling = `
    await new Promise((resolve) => process.stdin.on('data', function take(bytes) {
      size -= bytes.length;
      if (size > 0) return;
      process.stdin.off('data', take).pause();
      resolve();
    }).resume());
    (globalThis.files ??= []).push(true);
    process.send({ document: { metadata: { pid: process.pid, files: files.length } } });`;

  async function inputs(...contents: string[]): Promise<string[]> {
    return Promise.all(
      contents.map(async (content) => {
        const path = join(directory, `${(files += 1)}`);
        await writeFile(path, content);
        return path;
      }),
    );
  }

  it('reads the next one of the same owner, and none of anybody else or of nobody', async () => {
    const extraction = new Extraction({ entry: await childThat(telling) });
    const read = async (path: string, owner?: string) => (await extraction.extract(file(path), { type: 'txt', ...(owner === undefined ? {} : { owner }) })).metadata;
    const [path] = (await inputs('x')) as [string];
    const first = await read(path, 'ada');
    expect(await read(path, 'ada')).toEqual({ pid: first['pid'], files: 2 });
    for (const other of [await read(path, 'bob'), await read(path)]) expect(other).toMatchObject({ files: 1 });
    expect(await read(path, 'ada')).toEqual({ pid: first['pid'], files: 3 });
    extraction.onApplicationShutdown();
    expect(await read(path, 'ada')).toMatchObject({ files: 1 });
    extraction.onApplicationShutdown();
  });

  it.each([
    ['dies', 'process.exit(1)'],
    ['calls the next one damaged', "process.send({ failure: { code: 'corrupt_file', message: 'x', permanent: true } })"],
  ])('and then %s is not believed: another one reads the file', async (_name, code) => {
    const extraction = new Extraction({ entry: await childThat(`if (globalThis.files) return ${code}; ${telling}`) });
    const [path] = (await inputs('x')) as [string];
    const read = async () => (await extraction.extract(file(path), { type: 'txt', owner: 'ada' })).metadata;
    const first = await read();
    expect(await read()).toEqual({ pid: expect.any(Number), files: 1 });
    expect((await read())['pid']).not.toBe(first['pid']);
    extraction.onApplicationShutdown();
  });

  it('reads files of every size, one behind the other', async () => {
    const extraction = new Extraction();
    const texts = ['a', 'b'.repeat(70_000), 'c', 'd'.repeat(3_000_000)];
    const read: string[] = [];
    for (const path of await inputs(...texts)) read.push((await extraction.extract(file(path), { type: 'txt', owner: 'ada' })).text);
    expect(read).toEqual(texts);
    extraction.onApplicationShutdown();
  });
});

describe('the child', () => {
  it('has no secret in its environment and may read no file but its own code', async () => {
    process.env['MORAG_TEST_SECRET'] = 'secret';
    const entry = await childThat(`
      const { readFileSync, readSync } = await import('node:fs');
      const input = Buffer.alloc(size);
      readSync(0, input);
      const tried = (path) => { try { readFileSync(path); return 'read'; } catch (error) { return error.code; } };
      const { spawnSync } = await import('node:child_process');
      let spawned; try { spawned = spawnSync('true').status; } catch (error) { spawned = error.code; }
      process.send({ document: { metadata: { env: Object.keys(process.env), files: ['/etc/hostname', '/proc/self/environ', ${JSON.stringify(join(directory, '1'))}].map(tried), spawned, input: input.toString() } } });`);
    const { metadata } = await extract('the input', 'txt', { entry });
    delete process.env['MORAG_TEST_SECRET'];
    expect(metadata).toEqual({
      env: expect.not.arrayContaining(['MORAG_TEST_SECRET', 'PATH', 'HOME', 'NODE_OPTIONS']),
      files: ['ERR_ACCESS_DENIED', 'ERR_ACCESS_DENIED', 'ERR_ACCESS_DENIED'],
      spawned: 'ERR_ACCESS_DENIED',
      input: 'the input',
    });
  });

  it('that never ends is killed by the clock', async () => {
    const entry = await childThat('for (;;);');
    await expect(extract('x', 'txt', { entry, timeoutMs: 300 })).rejects.toMatchObject({ code: 'parse_timeout', permanent: true });
  });

  it('is killed at once when the job is cancelled, with the reason that was given', async () => {
    const entry = await childThat('for (;;);');
    const cancelled = new AbortController();
    const running = extract('x', 'txt', { entry }, cancelled.signal);
    cancelled.abort(new Error('cancelled'));
    await expect(running).rejects.toThrow('cancelled');
  });

  it('that fills its heap fails only its own document', async () => {
    const entry = await childThat('const all = []; for (;;) all.push(Array.from({ length: 1000 }, () => ({})));');
    await expect(extract('x', 'txt', { entry, maxHeapMb: 32 })).rejects.toMatchObject({ code: 'out_of_memory' });
  });

  (process.platform === 'linux' ? it : it.skip)('that fills memory outside its heap is found by the watchdog', async () => {
    const entry = await childThat('const all = []; setInterval(() => all.push(Buffer.alloc(20_000_000, 1)), 5);');
    await expect(extract('x', 'txt', { entry, maxRssMb: 200 })).rejects.toMatchObject({ code: 'out_of_memory' });
  });

  it.each([
    ['exits', 'process.exit(3);'],
    ['is killed by someone else', "process.kill(process.pid, 'SIGKILL');"],
    ['answers nonsense', 'process.send(null);'],
    ['throws', "throw new Error('x');"],
  ])('that %s leaves a failure worth another try', async (_name, code) => {
    await expect(extract('x', 'txt', { entry: await childThat(code) })).rejects.toMatchObject({ code: 'extraction_crashed', permanent: false });
  });

  it('that dies takes no other document with it', async () => {
    const bomb = extract(makeZip([{ name: 'a', content: Buffer.alloc(50_000_000) }]), 'docx');
    const [bad, good] = await Promise.allSettled([bomb, extract('good', 'txt')]);
    expect([bad.status, good.status]).toEqual(['rejected', 'fulfilled']);
  });
});
