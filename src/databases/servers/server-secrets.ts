import { SealBroken, type Sealer } from '../../common/sealer.js';
import type { DatabaseServerEntity } from './database-server.entity.js';
import { DatabaseServerSecretUnreadable } from './database-servers.errors.js';

/** In plain text: for a connection, and never to be kept. */
export interface ServerSecrets {
  password: string | null;
  apiKey: string | null;
}

/** Where a secret of a server is sealed. */
const placeOf = (serverId: string, field: 'password' | 'api_key'): string => `database_servers/${serverId}/${field}`;

/** What of them is named, sealed; null stays null, and removes one. */
export function sealedSecrets(sealer: Sealer, serverId: string, { password, apiKey }: Partial<ServerSecrets>): Partial<Pick<DatabaseServerEntity, 'password' | 'apiKey'>> {
  const seal = (secret: string | null, field: 'password' | 'api_key'): Buffer | null => (secret === null ? null : sealer.seal(secret, placeOf(serverId, field)));
  return {
    ...(password === undefined ? {} : { password: seal(password, 'password') }),
    ...(apiKey === undefined ? {} : { apiKey: seal(apiKey, 'api_key') }),
  };
}

/** @throws DatabaseServerSecretUnreadable when they were sealed with a key that is not configured */
export function openedSecrets(sealer: Sealer, { id, name, password, apiKey }: Pick<DatabaseServerEntity, 'id' | 'name' | 'password' | 'apiKey'>): ServerSecrets {
  const open = (sealed: Buffer | null, field: 'password' | 'api_key'): string | null => sealed && sealer.open(sealed, placeOf(id, field));
  try {
    return { password: open(password, 'password'), apiKey: open(apiKey, 'api_key') };
  } catch (error) {
    if (error instanceof SealBroken) throw new DatabaseServerSecretUnreadable(name, { cause: error });
    throw error;
  }
}
