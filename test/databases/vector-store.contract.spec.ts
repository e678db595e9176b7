import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LanceDbStore } from '../../src/databases/vector-stores/lancedb.store.js';
import { DISTANCES } from '../../src/databases/vector-stores/vector-store.js';
import { vectorStoreContract } from './vector-store-contract.js';

const directory = await mkdtemp(join(tmpdir(), 'morag-vectors-'));
const warnings: string[] = [];

vectorStoreContract('LanceDbStore', { keyword: true, maxDimensions: 16_000, distances: DISTANCES }, () =>
  LanceDbStore.open({ directory, logger: { warn: (message) => void warnings.push(message) } }),
);

it('LanceDbStore fails a ping when its directory is none any more', async () => {
  const place = join(directory, 'elsewhere.lance');
  const store = await LanceDbStore.open({ directory: place, logger: { warn: (message) => void warnings.push(message) } });
  await rm(place, { recursive: true });
  await expect(store.ping()).rejects.toThrow(/ENOENT/);
  await writeFile(place, 'in its place');
  await expect(store.ping()).rejects.toThrow(/ENOTDIR/);
  await store.close();
});

afterAll(async () => {
  expect(warnings).toEqual([]);
  expect((await readdir(directory)).every((name) => name.endsWith('.lance'))).toBe(true);
  await rm(directory, { recursive: true });
});
