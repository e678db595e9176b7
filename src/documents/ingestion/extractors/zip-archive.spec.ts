import { makeDocx, makeZip, wordParagraph, type ZipEntry } from '../../../../test/fixtures/make.js';
import type { ExtractionFailed } from '../extraction-failed.js';
import { extract } from './docx.extractor.js';
import { ZipArchive } from './zip-archive.js';

const refused = (bytes: Buffer) => ZipArchive.open(bytes).then(() => 'opened', (error: unknown) => (error as ExtractionFailed).code);

describe('an archive is refused before anything is inflated', () => {
  it.each<[string, ZipEntry[], string]>([
    ['with 2,000 entries it is opened', Array.from({ length: 2_000 }, (_, index) => ({ name: `${index}`, content: '' })), 'opened'],
    ['with 2,001 it is not', Array.from({ length: 2_001 }, (_, index) => ({ name: `${index}`, content: '' })), 'archive_limits'],
    ['when an entry is compressed more than a hundredfold', [{ name: 'a', content: Buffer.alloc(2 * 1024 * 1024) }], 'archive_limits'],
    ['when it claims more than 200 MB', [{ name: 'a', content: 'a', claimedSize: 201 * 1024 * 1024 }], 'archive_limits'],
    ['when entries overlap', [{ name: 'a', content: 'text' }, { name: 'a', content: 'text', overlapping: true }], 'archive_limits'],
  ])('%s', async (_name, entries, code) => {
    expect(await refused(makeZip(entries))).toBe(code);
  });

  it('when it is cut off', async () => {
    const zip = makeZip([{ name: 'a', content: 'text' }]);
    expect(await refused(zip.subarray(0, -30))).toBe('corrupt_file');
    expect(await refused(zip.subarray(10))).toBe('corrupt_file');
  });
});

describe('while inflating', () => {
  it('believes no stated size', async () => {
    const archive = await ZipArchive.open(makeZip([{ name: 'a', content: 'x'.repeat(10_000), claimedSize: 100 }]));
    await expect(archive.read('a')).rejects.toMatchObject({ code: 'archive_limits' });
  });

  it('reads a part as it was written', async () => {
    const archive = await ZipArchive.open(makeZip([{ name: 'a', content: 'Grüße' }]));
    expect(await archive.readXml('a')).toBe('Grüße');
  });
});

describe('inside a Word document', () => {
  it('a DTD is refused, so that no entity is expanded or fetched', async () => {
    const prolog = '<!DOCTYPE w [<!ENTITY secret SYSTEM "file:///etc/passwd">]>';
    await expect(extract(makeDocx(wordParagraph('&secret;'), { prolog }))).rejects.toMatchObject({ code: 'corrupt_file' });
  });

  it('another kind of package is a mismatch', async () => {
    await expect(extract(makeZip([{ name: 'a.txt', content: 'text' }]))).rejects.toMatchObject({ code: 'type_mismatch' });
  });
});
