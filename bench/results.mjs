// What a run found, as a file that a later run can be compared with.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { root } from '../scripts/build.mjs';

export const LATEST = join(root, 'bench/results/latest.json');

export async function writeResults(results) {
  await mkdir(dirname(LATEST), { recursive: true });
  await writeFile(LATEST, `${JSON.stringify(results, null, 2)}\n`);
}

/** @throws in words, when there is no such file or it holds something else */
export async function readResults(file) {
  const results = await readFile(file, 'utf8').then(JSON.parse).catch((error) => {
    throw new Error(error.code === 'ENOENT' ? `There is no file ${file}. A run of the bench leaves its results in bench/results/latest.json.` : `${file} cannot be read: ${error.message}`);
  });
  if (!Array.isArray(results?.findings)) throw new Error(`${file} holds no results of the bench.`);
  return results;
}
