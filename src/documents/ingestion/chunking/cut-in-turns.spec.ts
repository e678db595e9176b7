import { jest } from '@jest/globals';
import type { ExtractedDocument } from '../extracted-document.js';
import { chunk } from './chunker.js';
import type { ChunkOptions } from './chunking.js';
import { cutInTurns } from './cut-in-turns.js';

const OPTIONS: ChunkOptions = { chunkSize: 100, chunkOverlap: 50, chunkingStrategy: 'recursive', maxTokens: 8191 };
const LARGE: ExtractedDocument = { text: 'One short sentence stands here. '.repeat(6000), title: null, pages: [], headings: [], metadata: {} };

describe('cutting in turns', () => {
  // A millisecond from one look at the clock to the next, however fast the machine is.
  beforeEach(() => {
    let now = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => (now += 1));
  });
  afterEach(() => jest.restoreAllMocks());

  it('makes the same chunks, and lets others have many turns meanwhile', async () => {
    let turns = 0;
    let isOver = false;
    const take = (): void => {
      turns += 1;
      if (!isOver) setImmediate(take);
    };
    setImmediate(take);
    const cut = await cutInTurns(LARGE, OPTIONS);
    isOver = true;
    expect(cut).toEqual(chunk(LARGE, OPTIONS));
    expect(turns).toBeGreaterThan(8);
  });

  it('ends when it is told to', async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    setImmediate(() => abort.abort(reason));
    await expect(cutInTurns(LARGE, OPTIONS, abort.signal)).rejects.toBe(reason);
  });
});
