import fc from 'fast-check';
import { complaintsAbout } from '../support/answer-check.js';
import { FuzzWorld } from '../support/fuzz-world.js';
import { OPERATIONS, type Operation } from '../support/openapi-operations.js';
import { requestsOf } from '../support/openapi-requests.js';

/** Requests of each operation; `npm run fuzz` sends more. */
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 12);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20261126);
const ONLY = process.env['FUZZ_ROUTE'] ?? '';
/** A failure is told with all that is needed to send it again. */
const REPORTED = 20;
const LANES = 4;

process.stderr.write(`fuzz: FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}\n`);

// What ends things comes last, so that the others still find them.
const isLate = ({ method, path }: Operation): boolean => method === 'DELETE' || /logout|rotate|batch$/.test(path);
const operations = OPERATIONS.filter(({ route }) => route.includes(ONLY)).toSorted((a, b) => Number(isLate(a)) - Number(isLate(b)));

describe('whatever is sent to any route', () => {
  let world: FuzzWorld;

  beforeAll(async () => {
    world = await FuzzWorld.open();
  }, 60_000);
  afterAll(() => world.close());

  async function complaintsFrom(operation: Operation, index: number): Promise<string[]> {
    const complaints: string[] = [];
    const statuses = new Map<number, number>();
    const requests = fc.sample(requestsOf(operation), { seed: SEED + index, numRuns: RUNS }).values();
    const lane = async (): Promise<void> => {
      for (const request of requests) {
        const wire = world.wire(operation, request);
        const sent = `${wire.method} ${wire.path} ${JSON.stringify(wire.headers)} ${wire.body instanceof FormData ? JSON.stringify(request.body) : (wire.body ?? '')}`;
        const answer = await world.send(operation, wire);
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        const found = [...complaintsAbout(operation, answer, sent), ...world.leaksIn(operation, answer, sent).map((id) => `tells of ${id}, which is another tenant's`)];
        for (const complaint of found) complaints.push(`${complaint}\n    to ${sent.slice(0, 600)}`);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    if (process.env['FUZZ_STATUSES']) process.stderr.write(`${operation.route} ${JSON.stringify(Object.fromEntries(statuses))}\n`);
    return complaints;
  }

  it.each(operations.map((operation, index) => [operation.route, operation, index] as const))(
    'the answer is one that is documented, whole and tells nothing of the inside: %s',
    async (_, operation, index) => {
      const complaints = await complaintsFrom(operation, index);
      await world.keepAsking();
      expect(complaints.slice(0, REPORTED)).toEqual([]);
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    },
    30_000 + RUNS * 300,
  );
});
