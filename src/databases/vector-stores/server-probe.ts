import type { Outbound } from '../../outbound/outbound.js';
import type { ServerConnection } from './server-connection.js';

/** A connection whose port is known, for it is asked without the vendor's client and its defaults. */
export type ProbedConnection = Omit<ServerConnection, 'port' | 'config'> & { port: number; config: Record<string, unknown> };

export interface ProbeAccess {
  outbound: Outbound;
  /** Ends it. */
  signal: AbortSignal;
}

/**
 * Finds out whether a server can be used, and leaves nothing there but a schema of ours, where it has such.
 * @returns its version
 * @throws VectorServerFailure
 */
export type ServerProbe = (connection: ProbedConnection, access: ProbeAccess) => Promise<string>;
