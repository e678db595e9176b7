import type { ServerType } from '../database-server.entity.js';

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
