import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { Logger } from '@nestjs/common';
import { PayloadTooLarge } from '../../src/common/request-errors.js';
import { readBlobAddress, type BucketPlace } from '../../src/config/blob-address.js';
import { BlobStoreUnavailable } from '../../src/documents/documents.errors.js';
import type { BlobStore } from '../../src/documents/storage/blob-store.js';
import { FilesystemBlobStore } from '../../src/documents/storage/filesystem.blob-store.js';
import { S3BlobStore } from '../../src/documents/storage/s3.blob-store.js';
import { S3Server } from '../support/s3-server.js';

const LIMITS = { maxBytes: 1000, maxSize: 'a limit', headBytes: 4 };

let s3: S3Server;
let home: string;

beforeAll(async () => {
  Logger.overrideLogger(false);
  s3 = await S3Server.start();
});
afterAll(() => s3.stop());
beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'morag-blobs-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const openS3 = (address: string): Promise<S3BlobStore> => S3BlobStore.open(readBlobAddress(address) as BucketPlace, path.join(home, 'incoming'));

async function everyName(store: BlobStore, directory: string, pageSize = 1000): Promise<string[]> {
  const names: string[] = [];
  for await (const page of store.namesIn(directory, pageSize)) {
    expect(page.length).toBeLessThanOrEqual(pageSize);
    names.push(...page);
  }
  return names.toSorted();
}

async function everyDirectory(store: BlobStore): Promise<string[]> {
  const directories: string[] = [];
  for await (const directory of store.directories()) directories.push(directory);
  return directories.toSorted();
}

async function read(store: BlobStore, key: string): Promise<string | null> {
  const blob = await store.openForReading(key);
  if (!blob) return null;
  const content = await buffer(blob.stream);
  expect(blob.sizeBytes).toBe(content.length);
  return content.toString();
}

describe.each([
  ['directory', () => FilesystemBlobStore.open(home)],
  // Each test has a prefix of its own, so that it finds an empty store.
  ['bucket', () => openS3(s3.address(path.basename(home)))],
])('a blob store in a %s', (_, open) => {
  let store: BlobStore;

  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.close());

  const incoming = (): Promise<string[]> => readdir(path.join(home, 'incoming'));
  const receive = (text: string) => store.receive(Readable.from([Buffer.from(text)]), LIMITS);
  const put = async (key: string, text: string): Promise<void> => store.keep(await receive(text), key);

  it('keeps what it received, with its size, checksum and first bytes', async () => {
    const blob = await store.receive(Readable.from([Buffer.from('abc'), Buffer.from('def')]), LIMITS);
    expect(blob).toMatchObject({ sizeBytes: 6, sha256: 'bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721' });
    expect(blob.head.toString()).toBe('abcd');
    const before = Date.now() - 2000;
    await store.keep(blob, 'tenant/document');
    expect(await read(store, 'tenant/document')).toBe('abcdef');
    expect(await incoming()).toEqual([]);
    const facts = (await store.find('tenant/document'))!;
    expect(facts.sizeBytes).toBe(6);
    expect(facts.modifiedMs).toBeGreaterThan(before);
    expect(facts.modifiedMs).toBeLessThan(Date.now() + 2000);
    await store.ping();
  });

  it('says of a file that is not there that it is not there, and removes it without a word', async () => {
    expect(await store.openForReading('tenant/nothing')).toBeNull();
    expect(await store.find('tenant/nothing')).toBeNull();
    expect(await everyName(store, 'tenant')).toEqual([]);
    expect(await everyDirectory(store)).toEqual([]);
    await store.remove('tenant/nothing');
    await store.removeDirectory('tenant');
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

  it('leaves nothing of a file that is too large, takes one that just fits, and forgets one that is discarded', async () => {
    await expect(store.receive(Readable.from([Buffer.alloc(1001)]), LIMITS)).rejects.toBeInstanceOf(PayloadTooLarge);
    expect(await incoming()).toEqual([]);
    const fits = await store.receive(Readable.from([Buffer.alloc(1000)]), LIMITS);
    expect(fits.sizeBytes).toBe(1000);
    await store.discard(fits);
    expect(await incoming()).toEqual([]);
    expect(await everyDirectory(store)).toEqual([]);
  });

  it('lists every directory, and every name in one, in pages', async () => {
    const names = Array.from({ length: 7 }, (__, at) => `name-${at}.1.text`);
    for (const name of names) await put(`one/${name}`, name);
    await put('two/a', 'a');
    expect(await everyDirectory(store)).toEqual(['one', 'two']);
    for (const pageSize of [1, 3, 7, 500]) expect(await everyName(store, 'one', pageSize)).toEqual(names);
  });

  it('lists what is left when what was listed is removed meanwhile', async () => {
    for (let at = 0; at < 5; at++) await put(`one/${at}`, 'x');
    const seen: string[] = [];
    for await (const names of store.namesIn('one', 2)) {
      seen.push(...names);
      for (const name of names) await store.remove(`one/${name}`);
    }
    expect(seen.toSorted()).toEqual(['0', '1', '2', '3', '4']);
  });

  it('removes the directory of a tenant and nothing beside it', async () => {
    for (const key of ['one/a', 'one/b', 'one-more/a']) await put(key, key);
    await store.removeDirectory('one');
    await store.removeDirectory('one');
    expect(await everyDirectory(store)).toEqual(['one-more']);
    for (const wrong of ['', '.', '..', 'one-more/a', '../x']) await expect(store.removeDirectory(wrong)).rejects.toThrow(TypeError);
    expect(await read(store, 'one-more/a')).toBe('one-more/a');
  });

  it('writes a text whole, in the place of what was there, an empty one as well', async () => {
    for (const text of ['before', 'naïve 🐦', '']) {
      await store.write('tenant/a.1.text', text);
      expect(await read(store, 'tenant/a.1.text')).toBe(text);
    }
    expect(await incoming()).toEqual([]);
  });

  it('reads a file to its end that is removed meanwhile, and lets go of one that nobody reads', async () => {
    await put('tenant/a', 'whatever happens');
    const [blob, unread] = [(await store.openForReading('tenant/a'))!, (await store.openForReading('tenant/a'))!];
    unread.stream.destroy();
    await store.remove('tenant/a');
    expect((await buffer(blob.stream)).toString()).toBe('whatever happens');
  });

  it('passes on a large file unchanged', async () => {
    const piece = randomBytes(1024 * 1024);
    const blob = await store.receive(Readable.from(Array.from({ length: 24 }, () => piece)), { ...LIMITS, maxBytes: 24 * piece.length });
    await store.keep(blob, 'tenant/large');
    const hash = createHash('sha256');
    for await (const part of (await store.openForReading('tenant/large'))!.stream) hash.update(part as Buffer);
    expect(hash.digest('hex')).toBe(blob.sha256);
  });

  it('removes at its start what a killed process left arriving a day ago, and nothing younger', async () => {
    const [old, young] = ['old', 'young'].map((name) => path.join(home, 'incoming', name)) as [string, string];
    for (const file of [old, young]) await writeFile(file, 'half a fi');
    const aDayAgo = Date.now() / 1000 - 25 * 3600;
    await utimes(old, aDayAgo, aDayAgo);
    // Listed, and gone when it is looked at, as one that another process has just kept.
    await symlink('gone', path.join(home, 'incoming', 'kept'));
    (await open()).close();
    expect(await incoming()).toEqual(['kept', 'young']);
  });

  it('knows the room on the disk where files arrive', async () => {
    const { freeBytes, totalBytes } = await store.capacity();
    expect(freeBytes).toBeGreaterThan(0);
    expect(totalBytes).toBeGreaterThanOrEqual(freeBytes);
  });
});

describe('a blob store in a directory', () => {
  it('leaves no empty directory, and loses no file that arrives while the one before it leaves', async () => {
    const store = await FilesystemBlobStore.open(home);
    const receive = (text: string) => store.receive(Readable.from([Buffer.from(text)]), LIMITS);
    for (let round = 0; round < 100; round++) {
      const [before, after] = [`tenant/before-${round}`, `tenant/after-${round}`];
      await store.keep(await receive('before'), before);
      const arriving = await receive('after');
      await Promise.all([store.remove(before), store.keep(arriving, after)]);
      expect(await read(store, after)).toBe('after');
      await store.remove(after);
    }
    expect(await readdir(home)).toEqual(['incoming']);
  });

  it('leaves nothing of a text that cannot be written', async () => {
    const store = await FilesystemBlobStore.open(home);
    await store.write('tenant/a.1.text', 'before');
    await expect(store.write('tenant/a.1.text/below', 'x')).rejects.toThrow('EEXIST');
    expect(await read(store, 'tenant/a.1.text')).toBe('before');
    expect(await readdir(path.join(home, 'incoming'))).toEqual([]);
    expect((await stat(path.join(home, 'tenant/a.1.text'))).mode & 0o777).toBe(0o600);
  });
});

describe('a blob store in a bucket', () => {
  it.each<[string, (store: BlobStore) => Promise<unknown>]>([
    ['keeping', async (store) => store.keep(await store.receive(Readable.from([Buffer.from('x')]), LIMITS), 'tenant/a')],
    ['writing', (store) => store.write('tenant/a', 'x')],
    ['opening', (store) => store.openForReading('tenant/a')],
    ['finding', (store) => store.find('tenant/a')],
    ['removing', (store) => store.remove('tenant/a')],
    ['listing', (store) => everyName(store, 'tenant')],
  ])('that is away says so: %s', async (__, work) => {
    // Nothing listens on the discard port.
    const store = await openS3('s3://files?endpoint=http://127.0.0.1:9');
    await expect(work(store)).rejects.toBeInstanceOf(BlobStoreUnavailable);
    await expect(store.ping()).rejects.toThrow('ECONNREFUSED');
    store.close();
  });

  it('does not take a bucket that does not exist for an empty one', async () => {
    const store = await openS3(s3.address().replace('files', 'nowhere'));
    await expect(store.openForReading('tenant/a')).rejects.toBeInstanceOf(BlobStoreUnavailable);
    await expect(store.write('tenant/a', 'x')).rejects.toBeInstanceOf(BlobStoreUnavailable);
    await expect(everyDirectory(store)).rejects.toBeInstanceOf(BlobStoreUnavailable);
    await expect(store.ping()).rejects.toThrow();
    store.close();
  });

  it('keeps the staged file when it could not be put, for whoever discards it', async () => {
    const store = await openS3('s3://files?endpoint=http://127.0.0.1:9');
    const staged = await store.receive(Readable.from([Buffer.from('x')]), LIMITS);
    await expect(store.keep(staged, 'tenant/a')).rejects.toBeInstanceOf(BlobStoreUnavailable);
    await store.discard(staged);
    expect(await readdir(path.join(home, 'incoming'))).toEqual([]);
    store.close();
  });
});
