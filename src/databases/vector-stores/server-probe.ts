import type { Outbound } from '../../outbound/outbound.js';
import type { ServerConnection } from './server-connection.js';

/**
 * Finds out whether a server can be used, and leaves nothing there but a schema of ours, where it has such.
 * @returns its version
 * @throws VectorServerFailure
 */
export type ServerProbe = (connection: ServerConnection, outbound: Pick<Outbound, 'fetch' | 'checkedAddresses'>) => Promise<string>;
