import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createTenant, ingestText, type Tenant } from '../support/factories.js';
import type { ServerProcess } from '../support/server-process.js';
import { TestApp } from '../support/test-app.js';
import { writeTinyModel } from '../support/tiny-onnx-model.js';

interface Found {
  results: { text: string; score: number }[];
}

/** By its own name: where only LanceDB asks for it, an empty package stands in its place. */
function isInstalled(): boolean {
  try {
    return (JSON.parse(readFileSync('node_modules/@huggingface/transformers/package.json', 'utf8')) as { name: string }).name === '@huggingface/transformers';
  } catch {
    return false;
  }
}
const whereInstalled = isInstalled() ? describe : describe.skip;
const whereMissing = isInstalled() ? describe.skip : describe;

describe('local ONNX models', () => {
  let server: TestApp;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start({ ROLE: 'api' });
    await writeTinyModel(path.join(server.dataDir, 'models', 'tiny'));
    tenant = await createTenant(server.anonymous);
  });
  afterAll(() => server.stop());

  whereMissing('without the package', () => {
    it('are refused with the command that installs it', async () => {
      const { status, body } = await tenant.client.post('/api/v1/databases', { name: 'local', embedding_provider: 'onnx', embedding_model: 'tiny' });
      expect({ status, body }).toMatchObject({ status: 400, body: { errors: [{ field: 'embedding_provider', message: expect.stringContaining('npm install @huggingface/transformers@') as string }] } });
    });
  });

  whereInstalled('with @huggingface/transformers, which is not a dependency: install it to run these', () => {
    let other: ServerProcess;
    beforeAll(async () => {
      other = await server.processBeside({ ROLE: 'all', EMBEDDING_PROVIDER: 'onnx', EMBEDDING_MODEL: 'tiny' });
    });
    afterAll(() => other.end());

    it('embed documents and questions of a database that chose one', async () => {
      const { client } = await createTenant(other.client);
      const refused = await client.post('/api/v1/databases', { name: 'local', embedding_provider: 'onnx', embedding_model: '../tiny' });
      expect(refused).toMatchObject({ status: 400, body: { errors: [{ field: 'embedding_model', message: expect.stringContaining('only "tiny"') as string }] } });
      const made = await client.post('/api/v1/databases', { name: 'local', embedding_provider: 'onnx', embedding_model: 'tiny' });
      expect(made).toMatchObject({ status: 201, body: { embedding_provider: 'onnx', embedding_model: 'tiny', dimensions: 4 } });
      for (const text of ['red', 'red red blue', 'green green']) await ingestText(client, text, text, { database: 'local' });
      const search = async (query: string): Promise<Found['results']> => (await client.post<Found>('/api/v1/search', { query, mode: 'vector', databases: ['local'] })).body.results;
      expect((await search('green'))[0]!.text).toBe('green green');
      const blue = await search('blue');
      expect(blue[0]!.text).toBe('red red blue');
      // The mean of (0,1,0,0) twice and (0,0,0,5), normalised.
      expect(blue[0]!.score).toBeCloseTo(5 / Math.sqrt(29), 3);
      expect((await search('red'))[0]).toMatchObject({ text: 'red' });
      // Of nine words it reads six: a passage is cut before, the rest of a question is not read.
      await ingestText(client, 'long', 'red red red red red red green green green', { database: 'local' });
      expect((await search('blue blue blue blue blue blue red red red'))[0]!.text).toBe('red red blue');
      expect((await search('blue blue blue blue blue blue red red red'))[0]!.score).toBeCloseTo(5 / Math.sqrt(29), 3);
    });
  });
});
