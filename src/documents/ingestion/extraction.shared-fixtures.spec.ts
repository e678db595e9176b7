import { existsSync, readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chunk } from './chunking/chunker.js';
import { Extraction } from './extraction.js';
import { openFile, opened } from '../storage/open-blob.js';
import { SNIFF_BYTES, detectDocumentType } from './media-type.js';

// Real documents of many authors, kept beside the checkout; the project's own fixtures are enough without them.
const shared = fileURLToPath(new URL('../../../../shared/fixtures', import.meta.url));
const describeWithShared = existsSync(shared) ? describe : describe.skip;
if (!existsSync(shared)) process.stderr.write('SKIPPED: no ../shared/fixtures beside the checkout, so no real documents are ingested.\n');

const extraction = new Extraction();

/** Files of the same owner are read by one child: to start one for each costs more than to read most of them. */
async function ingest(path: string, owner?: string) {
  const file = await open(path);
  const head = Buffer.alloc(SNIFF_BYTES);
  const { bytesRead } = await file.read(head, 0, SNIFF_BYTES, 0);
  await file.close();
  const type = await detectDocumentType(head.subarray(0, bytesRead), { fileName: path });
  return extraction.extract(() => opened(openFile(path), path), { type, ...(owner === undefined ? {} : { owner }) });
}

const listed = (folder: string) => (existsSync(shared) ? readdirSync(join(shared, folder)).map((name) => join(folder, name)) : ['none']);
const readable = [...listed('pdf'), ...listed('office'), ...listed('text')].filter((path) => !/\.(?:odp|ods)$/.test(path));

describeWithShared('real documents', () => {
  afterAll(() => extraction.onApplicationShutdown());

  it.each(readable.length > 0 ? readable : ['none'])('%s becomes text and chunks', async (path) => {
    const document = await ingest(join(shared, path), 'a reader');
    const points = Array.from(document.text);
    expect(document.text).not.toContain('\0');
    const chunks = chunk(document, { chunkSize: 2000, chunkOverlap: 200, chunkingStrategy: 'recursive', maxTokens: 8191 });
    expect(chunks.length).toBeGreaterThan(0);
    for (const { text, charStart, charEnd } of chunks) expect(text).toBe(points.slice(charStart, charEnd).join(''));
    expect(chunks.every(({ pageFrom }) => (pageFrom === null) === (document.pages.length === 0))).toBe(true);
  });

  it('a paper is found by page', async () => {
    const { text, pages } = await ingest(join(shared, 'pdf/tracemonkey.pdf'), 'a reader');
    const { charStart = 0, charEnd = 0 } = pages[0] ?? {};
    expect(pages).toHaveLength(14);
    expect(Array.from(text).slice(charStart, charEnd).join('')).toContain('Trace-based Just-in-Time Type Specialization');
  });

  it.each([
    ['office/test.pptx', { page_from: 3, heading_path: ['Tables'] }, 'Scissors | 1 pair'],
    ['office/test.xlsx', { page_from: 3, heading_path: ['Sheet3'] }, 'Scissors | 1 pair'],
    ['office/test.odt', { page_from: null, heading_path: ['Structural Elements', 'Dropcaps'] }, 'In Word it is possible to specify'],
    ['office/test.epub', { page_from: null, heading_path: ['Structural Elements', 'Dropcaps'] }, 'In Word it is possible to specify'],
  ])('%s is cited where its reader finds it', async (path, citation, words) => {
    const chunks = chunk(await ingest(join(shared, path), 'a reader'), { chunkSize: 2000, chunkOverlap: 200, chunkingStrategy: 'recursive', maxTokens: 8191 });
    const found = chunks.filter(({ text }) => text.includes(words));
    expect(found.map(({ pageFrom, headingPath }) => ({ page_from: pageFrom, heading_path: headingPath }))).toEqual([citation]);
  });

  it.each([
    ['hostile/empty.docx', 'no_text'],
    ['hostile/empty.pdf', 'no_text'],
    // Its owner password only forbids printing; it opens without one, and is empty.
    ['hostile/empty_protected.pdf', 'no_text'],
    // All it holds is a picture outside of it, which is not fetched.
    ['hostile/external-picture.docx', 'no_text'],
    ['hostile/large_size_archive.docx', 'archive_limits'],
    ['hostile/many_entries_archive.docx', 'archive_limits'],
    ['hostile/oversized_archive.docx', 'archive_limits'],
    ['hostile/poppler-395-0-fuzzed.pdf', 'corrupt_file'],
    ['hostile/poppler-937-0-fuzzed.pdf', 'corrupt_file'],
    ['office/test.odp', 'unsupported_type'],
    ['office/test.ods', 'unsupported_type'],
  ])('%s fails with %s', async (path, code) => {
    await expect(ingest(join(shared, path))).rejects.toMatchObject({ code });
  });

  it('a damaged PDF gives what is left of it', async () => {
    expect((await ingest(join(shared, 'hostile/helloworld-bad.pdf'))).text).toBe('Hello, world!');
  });
});
