// The tour in TypeScript: a person registers, a program gets a key, two documents go in, a question is answered with a citation.
//   node examples/typescript/tour.ts [http://127.0.0.1:3000]     (Node 22.18 or newer runs TypeScript as it is)
import { randomBytes } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Morag, Problem, type Accepted, type CreatedKey, type Found, type Quota } from './morag.ts';

const PDF = fileURLToPath(new URL('../lighthouse-bees.pdf', import.meta.url));

async function pdf(fields: Record<string, string> = {}): Promise<FormData> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set('file', await openAsBlob(PDF), 'lighthouse-bees.pdf');
  return form;
}

/** The refusal with this code, which has to come. */
async function refusal(code: string, call: Promise<unknown>): Promise<Problem> {
  try {
    await call;
  } catch (error) {
    if (error instanceof Problem && error.code === code) return error;
    throw error;
  }
  throw new Error(`Expected ${code}, and there was no refusal.`);
}

const anonymous = new Morag(process.argv[2] ?? process.env['MORAG_URL'] ?? 'http://127.0.0.1:3000');

const account = { email: `tour-${randomBytes(6).toString('hex')}@example.com`, password: 'correct-horse-battery' };
await anonymous.call('POST', '/auth/register', { name: 'TypeScript Tourist', ...account });
const { access_token } = await anonymous.call<{ access_token: string }>('POST', '/auth/login', account);
const person = anonymous.asPerson(access_token);
console.log(`signed in as ${account.email}`);

const created = await person.call<CreatedKey>('POST', '/api/v1/api-keys', { name: 'tour', permissions: ['read', 'ingest', 'search'] });
const program = anonymous.asProgram(created.secret_key);
console.log(`made the key ${created.api_key.key_prefix}… that may read, ingest and search`);

const content = '# Minutes\n\n## Budget\n\nThe board approved a new hive scale for the tower.';
await program.waitFor((await program.call<Accepted>('POST', '/api/v1/ingest/text', { title: 'Minutes', content })).task_id);
console.log('ingested a text');

await program.waitFor((await program.call<Accepted>('POST', '/api/v1/ingest/file', await pdf({ metadata: JSON.stringify({ shelf: 'crafts' }) }))).task_id);
console.log('ingested a PDF');

const { results } = await program.call<Found>('POST', '/api/v1/search', { query: 'How much honey did the hive on the south wall keep?', top_k: 1 });
const cited = results[0]!.citation;
console.log(`found: ${cited.document_title}, page ${cited.page_from}, characters ${cited.char_start} to ${cited.char_end}`);

const { quotas } = await program.call<{ quotas: Quota[] }>('GET', '/api/v1/tenant/quotas');
const documents = quotas.find(({ resource_type }) => resource_type === 'documents')!;
console.log(`in use: ${documents.used} documents of the tenant's quota of ${documents.limit}`);

const duplicate = await refusal('duplicate_document', program.call('POST', '/api/v1/ingest/file', await pdf()));
console.log(`refused: ${duplicate.status} duplicate_document, it is there already as ${String(duplicate.body['document_id'])}`);

await person.call('DELETE', `/api/v1/api-keys/${created.api_key.id}`);
const refused = await refusal('invalid_credentials', program.call('GET', '/api/v1/documents'));
console.log(`revoked the key: ${refused.status} invalid_credentials`);
