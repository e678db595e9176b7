import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { PayloadTooLarge } from '../../common/request-errors.js';
import { BlobStore } from './blob-store.js';

const LIMITS = { maxBytes: 1000, maxSize: 'a limit', headBytes: 4 };

describe('the blob store', () => {
  let root: string;
  let store: BlobStore;

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'morag-blobs-'));
    store = await BlobStore.open(root);
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  const incoming = (): Promise<string[]> => readdir(path.join(root, 'incoming'));

  it('keeps what it received, with its size, checksum and first bytes', async () => {
    const blob = await store.receive(Readable.from([Buffer.from('abc'), Buffer.from('def')]), LIMITS);
    expect(blob).toMatchObject({ sizeBytes: 6, sha256: 'bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721' });
    expect(blob.head.toString()).toBe('abcd');
    await store.keep(blob, 'tenant/document');
    expect(await readFile(store.pathOf('tenant/document'), 'utf8')).toBe('abcdef');
    expect(await incoming()).toEqual([]);
  });

  it('leaves nothing of a source that breaks, however early', async () => {
    for (let round = 0; round < 50; round++) {
      const broken = new Readable({ read() {} });
      const receiving = store.receive(broken, LIMITS);
      if (round % 2 === 1) broken.push(Buffer.from('half a fi'));
      broken.destroy(new Error('broken'));
      await expect(receiving).rejects.toThrow('broken');
    }
    expect(await incoming()).toEqual([]);
  });

  it('leaves no empty directory, and loses no file that arrives while the one before it leaves', async () => {
    for (let round = 0; round < 100; round++) {
      const [before, after] = [`tenant/before-${round}`, `tenant/after-${round}`];
      await store.keep(await store.receive(Readable.from([Buffer.from('before')]), LIMITS), before);
      const arriving = await store.receive(Readable.from([Buffer.from('after')]), LIMITS);
      await Promise.all([store.remove(before), store.keep(arriving, after)]);
      expect(await readFile(store.pathOf(after), 'utf8')).toBe('after');
      await store.remove(after);
    }
    expect(await readdir(root)).toEqual(['incoming']);
  });

  it('removes the directory of a tenant and nothing beside it', async () => {
    for (const key of ['one/a', 'one/b', 'one-more/a']) await store.keep(await store.receive(Readable.from([Buffer.from(key)]), LIMITS), key);
    await store.removeDirectory('one');
    await store.removeDirectory('one');
    expect((await readdir(root)).toSorted()).toEqual(['incoming', 'one-more']);
    for (const wrong of ['', '.', '..', 'one-more/a', '../x']) await expect(store.removeDirectory(wrong)).rejects.toThrow(TypeError);
    expect(await readFile(store.pathOf('one-more/a'), 'utf8')).toBe('one-more/a');
  });

  it('writes a text whole, in the place of what was there, and leaves nothing of one that cannot be written', async () => {
    await store.write('tenant/a.1.text', 'before');
    await store.write('tenant/a.1.text', 'naïve 🐦');
    expect(await readFile(store.pathOf('tenant/a.1.text'), 'utf8')).toBe('naïve 🐦');
    await expect(store.write('tenant/a.1.text/below', 'x')).rejects.toThrow('EEXIST');
    expect(await readFile(store.pathOf('tenant/a.1.text'), 'utf8')).toBe('naïve 🐦');
    expect(await incoming()).toEqual([]);
  });

  it('leaves nothing of a file that is too large, and takes one that just fits', async () => {
    await expect(store.receive(Readable.from([Buffer.alloc(1001)]), LIMITS)).rejects.toBeInstanceOf(PayloadTooLarge);
    expect(await incoming()).toEqual([]);
    expect((await store.receive(Readable.from([Buffer.alloc(1000)]), LIMITS)).sizeBytes).toBe(1000);
  });
});
