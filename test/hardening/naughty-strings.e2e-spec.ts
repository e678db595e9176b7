import { readFileSync } from 'node:fs';
import { complaintsAbout, type WireAnswer } from '../support/answer-check.js';
import { FuzzWorld } from '../support/fuzz-world.js';
import { OPERATIONS, resolved, type Operation } from '../support/openapi-operations.js';
import type { FuzzRequest } from '../support/openapi-requests.js';

const NAUGHTY = JSON.parse(readFileSync('test/fixtures/blns.json', 'utf8')) as string[];
/** Of each operation, and of each of its fields alone; `npm run fuzz` takes every string. */
const ROUNDS = Number(process.env['NAUGHTY_ROUNDS'] ?? 3);

/** Strings are dealt one after the other, so that the whole list is sent, though not to each field. */
let dealt = 0;
const deal = (): string => NAUGHTY[dealt++ % NAUGHTY.length]!;

interface Place {
  in: 'path' | 'query' | 'header' | 'body';
  name: string;
}

function placesOf({ parameters, body }: Operation): Place[] {
  const fields = Object.entries(body ? (resolved(body.schema).properties ?? {}) : {}).filter(([, schema]) => {
    const { type, format } = resolved(schema);
    return [type].flat().includes('string') && format !== 'binary';
  });
  return [...parameters.map(({ in: where, name }) => ({ in: where, name })), ...fields.map(([name]) => ({ in: 'body' as const, name }))];
}

/** The example of the document with a naughty string in each of the places. */
function requestWith(operation: Operation, places: readonly Place[]): { request: FuzzRequest; sent: Record<string, string> } {
  const collections = Object.fromEntries([...operation.path.matchAll(/([^/]+)\/\{(\w+)\}/g)].map(([, collection, name]) => [name!, `{{${collection!}}}`]));
  const chosen = places.map(({ in: where, name }) => ({ where, name, text: deal() }));
  const textsIn = (where: Place['in']): Record<string, string> => Object.fromEntries(chosen.filter((place) => place.where === where).map(({ name, text }) => [name, text]));
  const sent = textsIn('body');
  const body = { ...operation.example, ...sent };
  const asForm = Object.entries(body).map(([name, value]): [string, string] => [name, typeof value === 'string' ? value : JSON.stringify(value)]);
  const request: FuzzRequest = {
    path: { ...collections, ...textsIn('path') },
    query: Object.entries(textsIn('query')),
    // Of a header HTTP itself allows little.
    headers: Object.fromEntries(Object.entries(textsIn('header')).map(([name, text]) => [name, text.replaceAll(/[^\x21-\x7e]/g, '')])),
    contentType: 'application/json',
    body: operation.body === null ? null : operation.body.type === 'application/json' ? JSON.stringify(body) : [...asForm, ['file', `# ${deal()}`]],
  };
  return { request, sent };
}

/** What is stored comes back as it went. */
function changes({ status, text, headers }: WireAnswer, sent: Record<string, string>): string[] {
  if (status >= 300 || !headers.get('content-type')?.startsWith('application/json')) return [];
  const body = JSON.parse(text) as Record<string, unknown>;
  const seen = { ...body, ...(body['api_key'] as object | undefined) } as Record<string, unknown>;
  return ['name', 'title', 'description'].filter((field) => sent[field] !== undefined && typeof seen[field] === 'string' && seen[field] !== sent[field]).map((field) => `${field} ${JSON.stringify(sent[field])} became ${JSON.stringify(seen[field])}`);
}

describe('a naughty string', () => {
  let world: FuzzWorld;

  beforeAll(async () => {
    world = await FuzzWorld.open();
  }, 60_000);
  afterAll(() => world.close());

  // Signing out would end the session that asks.
  const operations = OPERATIONS.filter((operation) => placesOf(operation).length > 0 && operation.path !== '/auth/logout');

  it.each(operations.map((operation) => [operation.route, operation] as const))('in any field is refused or kept as it is: %s', async (_, operation) => {
    const complaints: string[] = [];
    const places = placesOf(operation);
    const tries = Array.from({ length: ROUNDS }, () => [places, ...places.map((place) => [place])]).flat().values();
    const lane = async (): Promise<void> => {
      for (const chosen of tries) {
        const { request, sent } = requestWith(operation, chosen);
        const wire = world.wire(operation, request);
        const asked = `${wire.path} ${JSON.stringify(request)}`;
        const answer = await world.send(operation, wire);
        for (const complaint of [...complaintsAbout(operation, answer, asked), ...changes(answer, sent)]) complaints.push(`${complaint}\n    to ${asked.slice(0, 600)}`);
      }
    };
    await Promise.all(Array.from({ length: 4 }, lane));
    await world.keepAsking();
    expect(complaints.slice(0, 20)).toEqual([]);
  }, 30_000 + ROUNDS * 2_000);
});
