import { isIPv6 } from 'node:net';
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

/** Where a server of each kind listens unless it was told otherwise. */
export const DEFAULT_PORTS: Readonly<Record<RemoteServerType, number>> = { QDRANT: 6333, CHROMA: 8000, PGVECTOR: 5432 };

export function portOf({ type, port }: Pick<ServerConnection, 'type' | 'port'>): number {
  return port ?? DEFAULT_PORTS[type];
}

/** Of a server that speaks HTTP, such as `https://qdrant.example.com:6333`. */
export function originOf(connection: ServerConnection): string {
  const { host } = connection;
  const { tls = false } = connection.config as { tls?: boolean };
  return `${tls ? 'https' : 'http'}://${isIPv6(host) ? `[${host}]` : host}:${portOf(connection)}`;
}
