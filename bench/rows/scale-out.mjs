// What a second machine brings: two pairs of an API process and a worker against one, on one PostgreSQL and one Redis.
import { obstacleToShares } from '../processor-share.mjs';
import { hasRedis } from '../redis.mjs';

/** Of one processor, for each process: two pairs leave more than one of two processors to PostgreSQL, Redis and the load. */
const SHARE = 0.2;
const ROUNDS = 4;
const ROUND_SECONDS = 3.5;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const MEASURES = [
  { of: 'documents', measure: 'documents, sent until searchable', unit: '/s', expected: { atLeast: 1.7 } },
  { of: 'reads', measure: 'lists of documents beside that', unit: '/s', expected: { atLeast: 1.7 } },
  { of: 'servers', measure: 'processors that the pairs had', unit: 'cores', expected: null },
  { of: 'postgres', measure: 'processors that PostgreSQL took', unit: 'cores', expected: null },
  { of: 'idle', measure: 'processors that nobody needed', unit: 'cores', expected: null },
];

async function obstacle() {
  if (!hasRedis()) return 'there is no redis-server here';
  const why = await obstacleToShares();
  return why && `no process can be given a fixed share of a processor here (${why}); as root on Linux it can`;
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
      const [one, two] = [await world.pairs(1, SHARE), await world.pairs(2, SHARE)];
      const rounds = { one: [], two: [] };
      for (let at = 0; at <= ROUNDS; at += 1) {
        const [ofOne, ofTwo] = [await one.round(ROUND_SECONDS), await two.round(ROUND_SECONDS)];
        // The first one loads and compiles.
        if (at === 0) continue;
        rounds.one.push(ofOne);
        rounds.two.push(ofTwo);
      }
      return MEASURES.map(({ of, ...measure }) => {
        const [floor, subject] = [rounds.one, rounds.two].map((all) => median(all.map((round) => round[of])));
        return { ...measure, floor, subject, ratio: subject / floor };
      });
    },
  },
];
