import { Readable } from 'node:stream';
import { decodePoints, encodePoints } from './point-files.js';
import type { VectorPoint } from './vector-store.js';

const point = (index: number): VectorPoint => ({ id: `id-${index}`, tenantId: 't', documentId: 'd', version: 3, index, text: `naïve 🐦 ${index}`, vector: Float32Array.of(index, -0.5, 1e-30) });
const PAGES = [[point(0), point(1)], [], [point(2)]];

async function encoded(): Promise<Buffer> {
  return Buffer.concat(await Readable.from(encodePoints(Readable.from(PAGES), 3)).toArray());
}

/** As a file arrives: in pieces that know nothing of pages. */
async function decoded(bytes: Buffer, pieceBytes: number): Promise<VectorPoint[]> {
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, at) => bytes.subarray(at * pieceBytes, (at + 1) * pieceBytes));
  const points: VectorPoint[] = [];
  for await (const page of decodePoints(Readable.from(pieces))) points.push(...page);
  return points;
}

describe('files of points', () => {
  it.each([1, 7, 1_000_000])('give back every point as it was, read in pieces of %d bytes', async (pieceBytes) => {
    expect(await decoded(await encoded(), pieceBytes)).toEqual(PAGES.flat());
  });

  it('that end too early are told from whole ones, wherever they end', async () => {
    const bytes = await encoded();
    for (const missing of [1, 100, bytes.length - 2]) await expect(decoded(bytes.subarray(0, bytes.length - missing), 64)).rejects.toThrow('ends too early');
    expect(await decoded(Buffer.alloc(0), 64)).toEqual([]);
  });
});
