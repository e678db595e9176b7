import { VectorServerFailure } from './remote-failure.js';
import type { ServerProbe } from './server-probe.js';
import { HttpServer } from './http-server.js';
import { requireVersion } from './server-version.js';

/** The first that marks a tenant's payload index as such. */
const OLDEST = [1, 11] as const;

/** Qdrant tells everybody its version, and only who may know about its collections. */
export const probeQdrant: ServerProbe = async ({ host, port, config, apiKey }, access) => {
  const server = new HttpServer({ ...access, host, port, tls: config['tls'] === true, headers: apiKey === null ? {} : { 'api-key': apiKey } });
  const { json } = await server.get('/');
  const { title, version } = Object(json) as { title?: unknown; version?: unknown };
  const known = requireVersion('Qdrant', typeof title === 'string' && /qdrant/i.test(title) ? version : undefined, OLDEST);
  const { status } = await server.get('/collections/morag-connection-test/exists');
  if (status !== 200) throw new VectorServerFailure('unexpected', `The server says that it is Qdrant ${known}, but does not answer about collections (HTTP ${status}).`);
  return known;
};
