// What the framework costs by itself: says how much of a distance to the metal is not ours.
import { contest, findingsOf } from '../contest.mjs';

const ping = () => [{ path: '/bench/ping' }];

export const floorRows = [
  {
    name: 'framework',
    title: 'bare NestJS on Fastify against bare node:http',
    async run(world) {
      const [metal, nest] = [await world.floor('node-http'), await world.floor('bare-nest')];
      return findingsOf(await contest(await world.load(), { server: metal, requests: ping }, { server: nest, requests: ping }));
    },
  },
];
