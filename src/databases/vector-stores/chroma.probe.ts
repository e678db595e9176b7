import { chromaServer } from './chroma.server.js';
import { getJson, type HttpAnswer } from './get-json.js';
import { VectorServerFailure } from './remote-failure.js';
import type { ServerProbe } from './server-probe.js';
import { requireVersion } from './server-version.js';

/** The first whose programming interface is `/api/v2` alone. */
const OLDEST = [1, 0] as const;

/** Chroma tells everybody its version, and only who may know about its databases. */
export const probeChroma: ServerProbe = async (connection, outbound) => {
  const { url, apiKey, tenant = 'default_tenant', database = 'default_database' } = chromaServer(connection, outbound);
  // Chroma's cloud reads the first, a proxy before a server of one's own usually the second.
  const headers: Record<string, string> = apiKey === undefined ? {} : { 'x-chroma-token': apiKey, authorization: `Bearer ${apiKey}` };
  const get = (path: string): Promise<HttpAnswer> => getJson('Chroma', `${url}/api${path}`, headers, outbound);
  let said = await get('/v2/version');
  // What came before has another interface, which tells its version as well.
  if (said.status === 404) said = await get('/v1/version');
  const version = requireVersion('Chroma', said.json, OLDEST);
  const { status } = await get(`/v2/tenants/${encodeURIComponent(tenant)}/databases/${encodeURIComponent(database)}`);
  if (status !== 200) throw new VectorServerFailure('unexpected', `Chroma answers ${status} about its database.`);
  return version;
};
