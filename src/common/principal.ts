import { createParamDecorator, SetMetadata, type ExecutionContext } from '@nestjs/common';

/** What a key or a role may do, from the narrowest to the widest. */
export const PERMISSIONS = ['read', 'write', 'ingest', 'process', 'search', 'admin'] as const;
export type Permission = (typeof PERMISSIONS)[number];

export const ROLES = ['VIEWER', 'USER', 'ADMIN'] as const;
export type Role = (typeof ROLES)[number];

export const PERMISSIONS_OF_ROLE: Readonly<Record<Role, readonly Permission[]>> = {
  VIEWER: ['read', 'search'],
  USER: PERMISSIONS,
  ADMIN: PERMISSIONS,
};

export const TENANT_STATUSES = ['active', 'trial', 'suspended', 'inactive'] as const;
export type TenantStatus = (typeof TENANT_STATUSES)[number];

/** A tenant in another state may only learn that it is. */
export const isWorkingTenant = (status: TenantStatus): boolean => status === 'active' || status === 'trial';

/** Who is asking, whichever of the two credentials was shown. */
export interface Principal {
  readonly tenantId: string;
  readonly tenantStatus: TenantStatus;
  readonly userId: string;
  readonly role: Role;
  readonly permissions: readonly Permission[];
  /** Set when a person signed in. */
  readonly sessionId: string | null;
  /** Set when a program showed a key. */
  readonly apiKeyId: string | null;
  /** Under which the key's calls are counted: a key and those it was rotated from share one limit. Null when no key was shown. */
  readonly apiKeyLineageId: string | null;
  /** Address ranges a key works from; empty means everywhere. */
  readonly allowedIps: readonly string[];
  /** Null when no key is counted. */
  readonly keyCallsPerHour: number | null;
  /** Null is unlimited. */
  readonly tenantCallsPerHour: number | null;
  /** The databases a key is bound to; null means all of the tenant's. */
  readonly databaseIds: readonly string[] | null;
}

/** Looks up once more whether the request would be let in. @throws the AppError with which it would be refused */
export type Readmission = () => Promise<void>;

/** Whose credential it was that is no good any more, or whose password was not the right one. */
export type RefusedIdentity = Pick<Principal, 'tenantId' | 'userId' | 'apiKeyId'>;

/** The part of a request that the guards fill in. */
export interface AuthenticatedRequest {
  user?: Principal;
  /** Where it is known whom somebody pretended to be. */
  refused?: RefusedIdentity;
  /** Who it is, looked up again; for answers that last. */
  identify?: () => Promise<Principal>;
  /** Throws when that one may not do this. */
  admit?: (principal: Principal) => void;
}

export const PUBLIC_ROUTE = 'morag:public';
export const REQUIRED_PERMISSION = 'morag:permission';
export const REQUIRED_ROLE = 'morag:role';
export const OPEN_TO_SUSPENDED = 'morag:open-to-suspended';
export const OPEN_TO_PEOPLE_ALWAYS = 'morag:open-to-people-always';

/** Answers without a credential, and ignores one that is sent. */
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata(PUBLIC_ROUTE, true);

/** `authenticated` is any good credential, `session` a person who signed in; everything else is one of the six permissions. */
export type RequiredPermission = Permission | 'authenticated' | 'session';
export const RequirePermission = (permission: RequiredPermission): MethodDecorator & ClassDecorator =>
  SetMetadata(REQUIRED_PERMISSION, permission);

/** Only for people with this role, whatever their permissions. */
export const RequireRole = (role: Role): MethodDecorator & ClassDecorator => SetMetadata(REQUIRED_ROLE, role);

/** Stays readable for a suspended tenant, so that it can learn that it is suspended. */
export const OpenToSuspended = (): MethodDecorator => SetMetadata(OPEN_TO_SUSPENDED, true);

/** Is never refused to a person for want of calls: a key that uses up its tenant's hour must not keep its owner from revoking it. */
export const OpenToPeopleAlways = (): MethodDecorator => SetMetadata(OPEN_TO_PEOPLE_ALWAYS, true);

export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const { user } = context.switchToHttp().getRequest<AuthenticatedRequest>();
  if (!user) throw new Error('@CurrentPrincipal on a route that no guard protects');
  return user;
});

/** For an answer that lasts longer than a right may: to be asked now and then. */
export const CurrentReadmission = createParamDecorator((_: unknown, context: ExecutionContext): Readmission => {
  const { identify, admit } = context.switchToHttp().getRequest<AuthenticatedRequest>();
  if (!identify || !admit) throw new Error('@CurrentReadmission on a route that no guard protects');
  return async () => admit(await identify());
});
