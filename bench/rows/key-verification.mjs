// What a gateway waits for that asks whether a key is good.
import { contest, findingsOf } from '../contest.mjs';

const post = (path, body, headers = {}) => [{ method: 'POST', path, body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } }];

export const keyVerificationRows = [
  {
    name: 'verify',
    title: 'POST /api/v1/api-keys/verify against bare NestJS on Fastify, which reads the same body',
    async run(world) {
      const [floor, { server, key, signIn }] = [await world.floor('bare-nest'), await world.morag(10)];
      const token = await signIn();
      const question = { key, permission: 'read' };
      return findingsOf(
        await contest(
          await world.load(),
          { server: floor, requests: () => post('/bench/pong', question) },
          { server, requests: () => post('/api/v1/api-keys/verify', question, { authorization: `Bearer ${token}` }) },
        ),
      );
    },
  },
];
