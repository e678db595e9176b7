import { QdrantHttp } from './qdrant.http.js';
import { qdrantServer } from './qdrant.server.js';
import type { ServerProbe } from './server-probe.js';

export const probeQdrant: ServerProbe = (connection, outbound) => new QdrantHttp(qdrantServer(connection, outbound)).version();
