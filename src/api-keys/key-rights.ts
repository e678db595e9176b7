import { isWithinRanges } from '../common/ip-ranges.js';
import type { ApiKeyEntity } from './api-key.entity.js';
import { BeyondOwnRights } from './api-keys.errors.js';

/** The fields of a key that say what it may do, from where and until when. */
export type KeyRights = Pick<ApiKeyEntity, 'permissions' | 'expiresAt' | 'databaseIds' | 'allowedIps'>;

/**
 * What a key made by another key may do: what it leaves out it inherits, and nothing may reach further than its maker.
 * @throws BeyondOwnRights naming what reaches too far
 */
export function boundedBy(maker: KeyRights, wanted: Partial<KeyRights>): Partial<KeyRights> {
  if (wanted.permissions?.some((permission) => !maker.permissions.includes(permission))) throw new BeyondOwnRights('a permission');
  if (maker.expiresAt && wanted.expiresAt !== undefined && (wanted.expiresAt === null || wanted.expiresAt > maker.expiresAt)) throw new BeyondOwnRights('a lifetime');
  const { databaseIds: bound } = maker;
  if (bound && wanted.databaseIds !== undefined && (wanted.databaseIds === null || wanted.databaseIds.some((id) => !bound.includes(id)))) {
    throw new BeyondOwnRights('a database');
  }
  if (maker.allowedIps.length > 0 && wanted.allowedIps !== undefined && (wanted.allowedIps.length === 0 || wanted.allowedIps.some((ip) => !isWithinRanges(ip, maker.allowedIps)))) {
    throw new BeyondOwnRights('an address range');
  }
  return {
    permissions: wanted.permissions ?? maker.permissions,
    expiresAt: wanted.expiresAt ?? maker.expiresAt,
    databaseIds: wanted.databaseIds ?? maker.databaseIds,
    allowedIps: wanted.allowedIps ?? maker.allowedIps,
  };
}

/** What a key may do once the named fields are changed: a key that reaches further than its editor is out of the editor's reach, also for switching it on. */
export function rightsAfter(change: Partial<KeyRights>, { permissions, expiresAt, databaseIds, allowedIps }: KeyRights): KeyRights {
  return {
    permissions: change.permissions ?? permissions,
    expiresAt: change.expiresAt === undefined ? expiresAt : change.expiresAt,
    databaseIds: change.databaseIds === undefined ? databaseIds : change.databaseIds,
    allowedIps: change.allowedIps ?? allowedIps,
  };
}
