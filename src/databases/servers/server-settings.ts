import { isIPv6 } from 'node:net';
import { ValidationFailed } from '../../common/request-errors.js';
import { parseTarget, type Target } from '../../outbound/address-policy.js';
import type { DatabaseServerEntity } from './database-server.entity.js';
import { DEFAULT_PORTS, portOf, type RemoteServerType, type ServerConnection } from '../vector-stores/server-connection.js';

/** How a server is found and entered, but for its secrets. */
export type ServerSettings = Pick<DatabaseServerEntity, 'username' | 'database' | 'collection'> & {
  type: RemoteServerType;
  host: string;
  port: number;
  config: Record<string, unknown>;
};

/** What a request says of them; undefined is nothing. */
export type NamedSettings = Partial<Pick<DatabaseServerEntity, 'host' | 'port' | 'username' | 'database' | 'collection'>> & { type?: RemoteServerType; config?: Record<string, unknown> | null };

interface ConfigOption {
  accepts: (value: unknown) => boolean;
  expected: string;
}

const flag: ConfigOption = { accepts: (value) => typeof value === 'boolean', expected: 'true or false' };
const matching = (pattern: RegExp, expected: string): ConfigOption => ({ accepts: (value) => typeof value === 'string' && pattern.test(value), expected });

/** What `config` may say, by the kind of server. */
const CONFIG_OPTIONS: Readonly<Record<RemoteServerType, Readonly<Record<string, ConfigOption>>>> = {
  QDRANT: { tls: flag, partitioned: flag },
  CHROMA: { tls: flag, tenant: matching(/^[\w.-]{1,255}$/, '1–255 letters, digits, _, . or -') },
  PGVECTOR: { tls: flag, schema: matching(/^[a-z_][a-z0-9_]{0,62}$/, '1–63 lower-case letters, digits or _, and not begin with a digit') },
};

/** What leads to another place when it changes, where vectors that are stored already would not be found; `config` by its options. */
const PLACE = ['type', 'host', 'port', 'database'] as const;
const PLACE_IN_CONFIG = ['partitioned', 'tenant', 'schema'] as const;

/** @throws ValidationFailed for what is not an option of this kind of server, or not one of its values */
function requireConfig(type: RemoteServerType, config: Record<string, unknown>): void {
  const options = CONFIG_OPTIONS[type];
  const errors = Object.entries(config).flatMap(([name, value]) => {
    const option = Object.hasOwn(options, name) ? options[name] : undefined;
    if (!option) return [{ field: `config.${name}`, message: `config of ${type} knows ${Object.keys(options).join(', ')} and nothing else` }];
    return option.accepts(value) ? [] : [{ field: `config.${name}`, message: `config.${name} must be ${option.expected}` }];
  });
  if (errors.length > 0) throw new ValidationFailed(errors);
}

/** What `host` says: a name or an address, or a URL, which says more. */
interface SaidByHost {
  host: string;
  port: number | undefined;
  tls: boolean | undefined;
}

const invalidHost = (message: string): ValidationFailed => new ValidationFailed([{ field: 'host', message }]);

/** @throws ValidationFailed */
function readHost(type: RemoteServerType, text: string): SaidByHost {
  const scheme = /^[a-z][a-z0-9+.-]*(?=:\/\/)/i.exec(text)?.[0].toLowerCase();
  if (scheme !== undefined && type === 'PGVECTOR') throw invalidHost('host of PGVECTOR must be a host name or address, not a URL');
  const isBareAddress = isIPv6(text);
  const url = URL.parse(scheme === undefined ? `http://${isBareAddress ? `[${text}]` : text}` : text);
  const target = url && parseTarget(url);
  if (!target || url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw invalidHost('host must be a host name, an address, or http(s)://host:port without user name, path and query');
  }
  // As written, since a URL forgets a port that is its scheme's own.
  const port = isBareAddress ? undefined : /:(\d{1,5})\/?$/.exec(text)?.[1];
  return { host: target.host, port: port === undefined ? undefined : Number(port), tls: scheme === undefined ? undefined : scheme === 'https' };
}

/**
 * The settings after a request, whole and in one spelling.
 * @param before null for a server that is being made
 * @throws ValidationFailed
 */
export function settingsAfter(before: ServerSettings | null, named: NamedSettings): ServerSettings {
  const type = named.type ?? before?.type;
  const host = named.host === undefined ? before?.host : named.host;
  if (type === undefined || host === undefined || host === null) throw invalidHost('host must be the name or address of the server');
  const said = readHost(type, host);
  if (said.port !== undefined && typeof named.port === 'number' && said.port !== named.port) throw invalidHost('host and port name two different ports');
  if (said.tls !== undefined && named.config && 'tls' in named.config && named.config['tls'] !== said.tls) throw invalidHost('host and config.tls contradict each other');
  const config = { ...(named.config === undefined ? before?.config : named.config), ...(said.tls === undefined ? {} : { tls: said.tls }) };
  requireConfig(type, config);
  const kept = named.port === undefined ? before?.port : undefined;
  return {
    type,
    host: said.host,
    port: said.port ?? named.port ?? kept ?? DEFAULT_PORTS[type],
    username: valueAfter(before, named, 'username'),
    database: valueAfter(before, named, 'database'),
    collection: valueAfter(before, named, 'collection'),
    config,
  };
}

function valueAfter(before: ServerSettings | null, named: NamedSettings, field: 'username' | 'database' | 'collection'): string | null {
  const value = named[field];
  return value === undefined ? (before?.[field] ?? null) : value;
}

/** The settings of a server that is not the built-in one. */
export function settingsOf({ type, host, port, username, database, collection, config }: DatabaseServerEntity): ServerSettings {
  if (type === 'EMBEDDED' || host === null || port === null) throw new TypeError('the built-in server has no address');
  return { type, host, port, username, database, collection, config: { ...config } };
}

/** The fields in which two settings lead to different places. */
export function movedFields(before: ServerSettings, after: ServerSettings): string[] {
  return [
    ...PLACE.filter((field) => before[field] !== after[field]),
    ...PLACE_IN_CONFIG.filter((option) => before.config[option] !== after.config[option]).map((option) => `config.${option}`),
  ];
}

/** Where to connect to, for the policy of addresses. */
export function targetOf(connection: Pick<ServerConnection, 'type' | 'host' | 'port'>): Target {
  const { host } = connection;
  const target = parseTarget(`http://${isIPv6(host) ? `[${host}]` : host}`);
  if (!target) throw new TypeError(`"${host}" is no host`);
  return { ...target, port: portOf(connection) };
}
