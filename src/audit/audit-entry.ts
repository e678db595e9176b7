/** Whose chain has what is of no tenant. */
export const INSTALLATION = '00000000-0000-0000-0000-000000000000';

export const ACTOR_TYPES = ['user', 'api_key', 'system', 'anonymous'] as const;
export type ActorType = (typeof ACTOR_TYPES)[number];

export const RESULTS = ['success', 'denied', 'failed'] as const;
export type Result = (typeof RESULTS)[number];

/** One change, or a number of refusals. The last five members are erased with their tenant. */
export interface AuditEntry {
  /** UUIDv7. */
  id: string;
  tenantId: string;
  createdAt: Date;
  actorType: ActorType;
  /** The person, also of a key. */
  actorId: string | null;
  apiKeyId: string | null;
  /** `resource.verb_in_the_past`. */
  action: string;
  targetType: string;
  targetId: string | null;
  result: Result;
  requestId: string | null;
  targetName: string | null;
  ip: string | null;
  userAgent: string | null;
  changes: object | null;
}

/** Undefined is all. */
export interface AuditFilter {
  tenantId?: string;
  actorId?: string;
  actorType?: ActorType;
  apiKeyId?: string;
  /** An action, or `resource.*`. */
  action?: string;
  targetType?: string;
  targetId?: string;
  result?: Result;
  requestId?: string;
  ip?: string;
  createdAfter?: Date;
  createdBefore?: Date;
  /** Besides `apiKeyId`: what was done with this key is all that may be seen. */
  onlyOfKey?: string;
}
