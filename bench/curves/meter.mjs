// What calls cost at one step of a curve, beside two things that do not know how much is stored: so the machine's own moods can be divided out.
import { TenantCalls } from '../tenant-calls.mjs';

/** Many short ones: what the machine does besides changes within a second. */
const ROUNDS = 40;
const WARM_UP_ROUNDS = 5;
const CALLS = 3;
const YARDSTICK_CALLS = 5;
/** A probe that takes long is not asked as often. */
const MOST_MS_A_ROUND = 100;
const MOST_MS_A_STEP = 4000;

export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

async function timed(work) {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

/** What a transaction of the server's sends, with nothing in it. */
async function emptyTransaction(client) {
  await client.query('BEGIN');
  await client.query(`SELECT set_config('role', 'morag_app', true), set_config('app.tenant_id', $1, true)`, ['019a0000-0000-7000-8000-000000000000']);
  await client.query('SELECT 1');
  await client.query('COMMIT');
}

async function batch(server, { calls = CALLS, before, run, hasCpu }) {
  await before?.();
  const cpuBefore = hasCpu ? await server.cpuMicros() : 0;
  const times = [];
  let spent = 0;
  for (; times.length < calls && spent < MOST_MS_A_ROUND; spent += times.at(-1)) times.push(await run());
  return { cost: median(times), spent, cpu: hasCpu ? ((await server.cpuMicros()) - cpuBefore) / times.length : 0 };
}

export class Meter {
  #server;
  #client;
  #bare;

  /** @param client of the same database, logged in as whoever may become `morag_app` */
  constructor({ server, client }) {
    this.#server = server;
    this.#client = client;
    this.#bare = new TenantCalls(server.url, 'none');
  }

  /**
   * Runs all probes in turns, each round between the same yardsticks.
   * @param probes `{ name, calls, run, before, hasCpu }`: `run` answers what one call took in ms, `before` prepares a round's calls. One with
   *   `hasCpu` is measured a second time: by what its process took of the processor. `isBare` is one that asks no database.
   * @returns by the probe's name, `{ cost, relative }`, both medians over the rounds; relative is the cost over the yardstick's of the same round
   */
  async measure(probes) {
    const taken = new Map();
    const left = new Map(probes.map((probe) => [probe, MOST_MS_A_STEP]));
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      const yardstick = await this.#yardstick(probes.find(({ hasCpu }) => hasCpu)?.calls ?? YARDSTICK_CALLS);
      for (const probe of probes) {
        if (left.get(probe) <= 0) continue;
        const { cost, cpu, spent } = await batch(this.#server, probe);
        // The first ones load and compile.
        if (round < 0) continue;
        left.set(probe, left.get(probe) - spent);
        note(taken, probe.name, cost, yardstick[probe.isBare ? 'bare' : 'both'], 'ms');
        if (probe.hasCpu) note(taken, `${probe.name}: processor time`, cpu / 1000, yardstick.cpu / 1000, 'ms');
      }
    }
    return [...taken].map(([name, { costs, relatives, unit }]) => ({ name, unit, cost: median(costs), relative: median(relatives) }));
  }

  close() {
    this.#bare.close();
  }

  async #yardstick(calls) {
    const bare = await batch(this.#server, { calls, hasCpu: true, run: async () => (await this.#bare.timed('GET', '/health/live')).milliseconds });
    const empty = await batch(this.#server, { calls: YARDSTICK_CALLS, run: () => timed(() => emptyTransaction(this.#client)) });
    return { bare: bare.cost, cpu: bare.cpu, both: bare.cost + empty.cost };
  }
}

function note(taken, name, cost, yardstick, unit) {
  const found = taken.get(name) ?? { costs: [], relatives: [], unit };
  found.costs.push(cost);
  found.relatives.push(cost / yardstick);
  taken.set(name, found);
}

/** One step after the other becomes one line after the other. `steps` is `[{ at, found }]`, `found` what `measure` answers. */
export function linesOf(steps, notFlat = {}) {
  const names = steps[0].found.map(({ name }) => name);
  return names.map((name) => {
    const points = steps.map(({ at, found }) => ({ at, ...found.find((one) => one.name === name) }));
    const [{ relative: first, unit }] = points;
    return { name, unit, rises: notFlat[name] ?? null, points: points.map(({ at, cost, relative }) => ({ at, cost, ratio: relative / first })) };
  });
}
