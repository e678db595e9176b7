// What one request pays for being authenticated, allowed, rate-limited, counted and logged.
import { contest, findingsOf } from '../contest.mjs';

const EXPECTED = { perSecond: { atLeast: 0.55 }, p99Ms: { atMost: 3 } };

const row = (name, title, headersOf) => ({
  name,
  title: `authenticated GET (${title}) against bare NestJS on Fastify`,
  async run(world) {
    const [floor, subject] = [await world.floor('bare-nest'), await world.morag(10)];
    const [path, headers] = ['/bench/ping', await headersOf(subject)];
    return findingsOf(
      await contest(
        await world.load(),
        { server: floor, requests: () => [{ path }] },
        { server: subject.server, requests: () => [{ path, headers }] },
      ),
      EXPECTED,
    );
  },
});

export const authenticatedGetRows = [row('key', 'key', ({ key }) => ({ 'x-api-key': key })), row('jwt', 'JWT', async ({ signIn }) => ({ authorization: `Bearer ${await signIn()}` }))];
