import { randomInt } from 'node:crypto';
import { audit } from './invariants.js';
import { auditOfSpoiled } from './spoiling.js';
import { Random } from './random.js';
import { LONG_SCENARIOS, SCENARIOS, type Scenario } from './scenarios.js';
import { World } from './world.js';

const SEED = Number(process.env['CHAOS_SEED'] ?? randomInt(2 ** 31));
/** None is the short form, which every run of all tests has. */
const ROUNDS = Number(process.env['CHAOS_ROUNDS'] ?? 0);
const AGAIN = ROUNDS === 0 ? `CHAOS_SEED=${SEED} npm test -- test/chaos` : `CHAOS_SEED=${SEED} CHAOS_ROUNDS=${ROUNDS} npm run chaos`;

for (const { obstacle } of SCENARIOS) if (obstacle) console.warn(`skipped: ${obstacle}`);

describe(`an installation of real processes (again: ${AGAIN})`, () => {
  let world: World;
  let isBroken = false;

  beforeAll(async () => {
    world = await World.start(SEED);
  }, 60_000);
  afterAll(() => world.stop(), 60_000);

  /** Until nothing is under way and nobody comes back any more; then everything has to be right. */
  async function recover(rests: readonly (void | (() => Promise<void>))[]): Promise<void> {
    await world.settled();
    for (const rest of rests) await rest?.();
    await world.settled();
    expect(await audit(world)).toEqual([]);
  }

  /** What the processes warned of says why, and is gone with them. What comes after a failure would only fail as well. */
  async function explained(work: () => Promise<void>): Promise<void> {
    if (isBroken) throw new Error('what came before failed, and left the installation as it was');
    try {
      await work();
    } catch (error) {
      isBroken = true;
      console.error(world.warnings);
      throw error;
    }
  }

  if (ROUNDS === 0) {
    const rests: Awaited<ReturnType<Scenario['act']>>[] = [];
    for (const { name, obstacle, act } of SCENARIOS) (obstacle ? it.skip : it)(`meets ${name}`, () => explained(async () => void rests.push(await act(world))), 120_000);
    it('recovers from all of that, and has lost, doubled and forgotten nothing', () => explained(() => recover(rests)), 180_000);
    it('would have been caught at it', () => explained(async () => expect(await auditOfSpoiled(world)).toEqual([])), 30_000);
    return;
  }

  const possible = [...SCENARIOS, ...LONG_SCENARIOS].filter(({ obstacle }) => !obstacle);
  const lot = new Random(SEED);
  // Each alone first, then two at once as the lot has it.
  const rounds = Array.from({ length: ROUNDS }, (_, at) => (at < possible.length ? [possible[at]!] : lot.some(possible, 2)));
  it.each(rounds.map((scenarios, at) => ({ round: at + 1, scenarios, names: scenarios.map(({ name }) => name).join(', and ') })))(
    'recovers in round $round from $names, and has lost, doubled and forgotten nothing',
    ({ round, scenarios, names }) =>
      explained(async () => {
        // At once, where jest would keep it until the end.
        process.stderr.write(`CHAOS_SEED=${SEED}, round ${round} of ${ROUNDS}: ${names}\n`);
        const rests: Awaited<ReturnType<Scenario['act']>>[] = [];
        for (const { act } of scenarios) rests.push(await act(world));
        await recover(rests);
      }),
    300_000,
  );
});
