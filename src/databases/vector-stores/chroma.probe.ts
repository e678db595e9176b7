import { VectorServerFailure } from './remote-failure.js';
import type { ServerProbe } from './server-probe.js';
import { HttpServer } from './http-server.js';
import { requireVersion } from './server-version.js';

/** The first whose programming interface is `/api/v2` alone. */
const OLDEST = [1, 0] as const;
const [STANDARD_TENANT, STANDARD_DATABASE] = ['default_tenant', 'default_database'];

/** Chroma tells everybody its version, and only who may know about its databases. */
export const probeChroma: ServerProbe = async ({ host, port, username, password, database, config, apiKey }, access) => {
  const headers: Record<string, string> = {};
  if (apiKey !== null) headers['x-chroma-token'] = apiKey;
  if (username !== null) headers['authorization'] = `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`;
  const server = new HttpServer({ ...access, host, port, tls: config['tls'] === true, headers });
  let said = await server.get('/api/v2/version');
  // What came before has another interface, which tells its version as well.
  if (said.status === 404) said = await server.get('/api/v1/version');
  const version = requireVersion('Chroma', said.json, OLDEST);
  const tenant = typeof config['tenant'] === 'string' ? config['tenant'] : STANDARD_TENANT;
  const { status } = await server.get(`/api/v2/tenants/${encodeURIComponent(tenant)}/databases/${encodeURIComponent(database ?? STANDARD_DATABASE)}`);
  if (status === 404) throw new VectorServerFailure('unexpected', `The server is Chroma ${version}, but has no such database. Check database and config.tenant.`);
  if (status !== 200) throw new VectorServerFailure('unexpected', `The server says that it is Chroma ${version}, but does not answer about its database (HTTP ${status}).`);
  return version;
};
