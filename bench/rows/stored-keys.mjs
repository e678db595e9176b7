// Whether the number of keys that are stored is felt by the one that is used, and what a key costs that was not used lately.
import { contest, findingsOf } from '../contest.mjs';

const FEW = 10;
const MANY = 100_000;
/** More than are answered in one round, and few enough for some rounds before the first one comes again. */
const KEYS_A_ROUND = 24_000;

const shotWith = (key) => ({ path: '/bench/ping', headers: { 'x-api-key': key } });
const hot = ({ server, key }) => ({ server, requests: () => [shotWith(key)] });

/** Takes the next keys in each round. */
function cycling({ server, others }) {
  let next = 0;
  const requests = () => Array.from({ length: KEYS_A_ROUND }, () => shotWith(others[next++ % others.length]));
  return { server, requests, repeats: false };
}

export const storedKeysRows = [
  {
    name: 'keys-stored',
    title: `the same hot key with ${MANY} keys stored against ${FEW}`,
    async run(world) {
      const [few, many] = [await world.morag(FEW), await world.morag(MANY)];
      return findingsOf(await contest(await world.load(), hot(few), hot(many)), { perSecond: { atLeast: 0.9 } });
    },
  },
  {
    name: 'keys-cold',
    title: `a key not used lately, of ${MANY}, against one hot key of ${FEW}`,
    async run(world) {
      const [few, many] = [await world.morag(FEW), await world.morag(MANY)];
      return findingsOf(await contest(await world.load(), hot(few), cycling(many)));
    },
  },
];
