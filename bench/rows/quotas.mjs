// What a quota costs that everybody wants at once, and whether tenants wait for each other.
import { findingsOf, inTurns } from '../contest.mjs';

const TENANTS = 1000;

/** A round of charges, of random ones among so many tenants. */
const charging = (server, tenantIds) => async (seconds) => {
  const before = await server.cpuMicros();
  const { answers, seconds: taken, p50Ms, p99Ms } = await server.ask({ tenantIds, seconds });
  return { perSecond: answers / taken, p50Ms, p99Ms, cpuMicros: ((await server.cpuMicros()) - before) / answers };
};

export const quotasRows = [
  {
    name: 'quota-hot',
    title: 'charges of one tenant by the server against the same statement from plain clients',
    async run(world) {
      const { plain, server, tenants } = await world.charges(TENANTS);
      const hot = tenants.slice(0, 1);
      return findingsOf(await inTurns(charging(plain, hot), charging(server, hot)), { perSecond: { atLeast: 0.5 } });
    },
  },
  {
    name: 'quota-spread',
    title: `charges of ${TENANTS} tenants by the server against those of one`,
    async run(world) {
      const { server, tenants } = await world.charges(TENANTS);
      return findingsOf(await inTurns(charging(server, tenants.slice(0, 1)), charging(server, tenants)), { perSecond: { atLeast: 3 } });
    },
  },
];
