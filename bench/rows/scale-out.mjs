// What a second machine brings: two pairs of an API process and a worker against one, on one PostgreSQL and one Redis.
import { obstacleToShares } from '../processor-share.mjs';
import { hasRedis } from '../redis.mjs';

/** Of one processor, for each process: of two processors, two pairs leave more than one to PostgreSQL, Redis and the load. */
const SHARE = 0.2;
const ROUNDS = 4;
const ROUND_SECONDS = 3;
/** What a process may have had more than its share, by the grain of the clocks. */
const TOLERANCE = 1.25;
/** With fewer processors than this to spare, somebody else needed the machine as well. */
const TO_SPARE = 0.1;

const MEASURES = [
  { of: 'documents', measure: 'documents, sent until searchable', unit: '/s', expected: { atLeast: 1.7 } },
  { of: 'reads', measure: 'lists of documents beside that', unit: '/s', expected: { atLeast: 1.7 } },
  { of: 'apis', measure: 'processors that the API had', unit: 'cores', expected: null },
  { of: 'workers', measure: 'processors that the workers had', unit: 'cores', expected: null },
  { of: 'postgres', measure: 'processors that PostgreSQL took', unit: 'cores', expected: null },
];

/** In one round end few documents, and several at once: their mean says more than their median. */
const mean = (rounds, of) => rounds.reduce((sum, round) => sum + round[of], 0) / rounds.length;

async function obstacle() {
  if (!hasRedis()) return 'there is no redis-server here';
  const why = await obstacleToShares();
  return why && `no process can be given a fixed share of a processor here (${why}); root on Linux can do that`;
}

async function inTurns(one, two) {
  const rounds = { one: [], two: [] };
  for (let at = 0; at <= ROUNDS; at += 1) {
    const [ofOne, ofTwo] = [await one.round(ROUND_SECONDS), await two.round(ROUND_SECONDS)];
    // The first one loads and compiles.
    if (at === 0) continue;
    rounds.one.push(ofOne);
    rounds.two.push(ofTwo);
  }
  return rounds;
}

/** Whether what was measured is what the row is about. */
function check({ one, two }) {
  for (const [count, rounds] of [[1, one], [2, two]]) {
    if (mean(rounds, 'documents') === 0) throw new Error('no document was ingested within a round');
    const most = Math.max(mean(rounds, 'apis'), mean(rounds, 'workers'));
    if (most > TOLERANCE * SHARE * count) throw new Error(`processes that may have ${SHARE} of a processor each had ${most.toFixed(2)}, ${count} of them`);
  }
  if (mean(two, 'idle') < TO_SPARE) console.error('scale-out: others needed this machine as well, and no processor was left over. The ratios say little.');
}

export const scaleOutRows = [
  {
    name: 'scale-out',
    title: `two pairs of an API process and a worker against one, each process with ${SHARE * 100} % of a processor`,
    async run(world) {
      const why = await obstacle();
      if (why) {
        console.error(`scale-out was SKIPPED: ${why}.`);
        return [];
      }
      const rounds = await inTurns(await world.pairs(1, SHARE), await world.pairs(2, SHARE));
      check(rounds);
      return MEASURES.map(({ of, ...measure }) => {
        const [floor, subject] = [mean(rounds.one, of), mean(rounds.two, of)];
        return { ...measure, floor, subject, ratio: subject / floor };
      });
    },
  },
];
