import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { HashEmbedder } from './hash.embedder.js';

const embedder = new HashEmbedder();
const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, at) => sum + value * b[at]!, 0);

async function similarity(a: string, b: string): Promise<number> {
  return dot(await embedder.embedQuery(a), await embedder.embedQuery(b));
}

it('gives any text at all a finite vector of length one', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 200 }), async (text) => {
      const vector = await embedder.embedQuery(text);
      expect(vector).toHaveLength(1024);
      expect(dot(vector, vector)).toBeCloseTo(1, 5);
    }),
  );
});

it.each(['', '   ', '!!!', '🎉🎉', '\u0000', '\ud800', '́'])('has a valid vector for %j', async (text) => {
  const vector = await embedder.embedQuery(text);
  expect(dot(vector, vector)).toBeCloseTo(1, 5);
});

it('gives the same bits in every process, on every platform, in every version of this model', async () => {
  const text = 'The quick brown foxes jumped over 13 lazy dogs. Größe, naïve café, 数据库安全, база данных.';
  const vector = await embedder.embedQuery(text);
  const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
  expect(createHash('sha256').update(bytes).digest('hex')).toBe('a2b8908bc77853062b388a1087eaa17317ba02df09fead808142a43ce5110895');
});

it('embeds documents and queries alike, in order', async () => {
  const texts = Array.from({ length: 25 }, (_, at) => `text number ${at}`);
  const vectors = await embedder.embedDocuments(texts);
  for (const [at, text] of texts.entries()) expect(vectors[at]).toEqual(await embedder.embedQuery(text));
});

describe('puts related texts closer than unrelated ones', () => {
  const unrelated = 'The recipe calls for two cups of flour and a pinch of salt.';

  it.each([
    ['inflection', 'How do I rotate API keys?', 'Rotating an API key replaces its secret.'],
    ['typos', 'rotaet the encrpytion kyes', 'Rotate the encryption keys every ninety days.'],
    ['hard typos', 'authentification middelware', 'The authentication middleware runs first.'],
    ['compound words', 'Datenbank Sicherheit', 'Die Datenbanksicherheit wird jährlich geprüft.'],
    ['missing accents', 'cafe resume', 'Le café a publié son résumé.'],
    ['Chinese', '数据安全', '我们的数据库的安全性很重要。'],
    ['Cyrillic', 'базы данных', 'Резервная копия базы данных создаётся ночью.'],
  ])('%s', async (_kind, query, passage) => {
    expect(await similarity(query, passage)).toBeGreaterThan((await similarity(query, unrelated)) + 0.05);
  });

  it('does not take shared function words for a shared subject', async () => {
    const query = 'what is the price of the ticket';
    expect(await similarity(query, 'Ticket prices rise in May.')).toBeGreaterThan(
      await similarity(query, 'What is the name of the king of the hill?'),
    );
  });
});

it('lets other work run between the texts of a long document', async () => {
  let turns = 0;
  let running = true;
  const count = () => void (turns++, running && setImmediate(count));
  setImmediate(count);
  await embedder.embedDocuments(Array.from({ length: 200 }, (_, at) => `chunk ${at} `.repeat(100)));
  running = false;
  expect(turns).toBeGreaterThanOrEqual(19);
});

it('stops when the caller gives up', async () => {
  await expect(embedder.embedDocuments(['a'], AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
});
