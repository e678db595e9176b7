import type { Outbound } from '../../outbound/outbound.js';
import type { ServerType } from '../database-server.entity.js';
import type { VectorStore } from './vector-store.js';

/** How a server is reached, its secrets opened. */
export interface ServerConnection {
  type: RemoteServerType;
  host: string;
  port: number | null;
  username: string | null;
  /** The database within the server, where its kind has such. */
  database: string | null;
  config: object;
  password: string | null;
  apiKey: string | null;
}

/** `EMBEDDED` is in this process, and opened once. */
export type RemoteServerType = Exclude<ServerType, 'EMBEDDED'>;

type Open = (connection: ServerConnection, outbound: Outbound) => Promise<VectorStore>;

/** One line a kind of server. Each loads its vendor's package when it is used first. */
const OPENERS: Partial<Record<RemoteServerType, Open>> = {};

/** Makes the client; most of them connect only when they are asked something. */
export function openStore(connection: ServerConnection, outbound: Outbound): Promise<VectorStore> {
  const open = OPENERS[connection.type];
  if (!open) throw new TypeError(`no adapter for ${connection.type}`);
  return open(connection, outbound);
}
