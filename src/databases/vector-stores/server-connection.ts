import { isIPv6 } from 'node:net';
import type { ServerType } from '../servers/database-server.entity.js';

/** What is particular to a kind; which kind knows which is in `server-settings.ts`. */
export interface ServerConfig {
  tls?: boolean;
  /** Of Qdrant: collections for many tenants each. */
  partitioned?: boolean;
  /** Chroma's own, which has nothing to do with ours. */
  tenant?: string;
  /** Of PostgreSQL. */
  schema?: string;
}

/** How a server is reached, its secrets opened. */
export interface ServerConnection {
  type: RemoteServerType;
  host: string;
  port: number | null;
  username: string | null;
  /** The database within the server, where its kind has such. */
  database: string | null;
  config: ServerConfig;
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
  const { host, config } = connection;
  return `${config.tls ? 'https' : 'http'}://${isIPv6(host) ? `[${host}]` : host}:${portOf(connection)}`;
}
