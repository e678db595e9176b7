import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { InsufficientScope } from '../common/insufficient-scope.js';
import { isAllowedAddress } from '../common/ip-ranges.js';
import { PerRoute } from '../common/per-route.js';
import {
  isWorkingTenant, OPEN_TO_SUSPENDED, PUBLIC_ROUTE, REQUIRED_PERMISSION, REQUIRED_ROLE, type AuthenticatedRequest, type Principal, type RequiredPermission, type Role,
} from '../common/principal.js';
import { AddressNotAllowed, ForbiddenRole, SessionRequired, TenantSuspended } from './auth.errors.js';

interface RouteDemands {
  isPublic: boolean;
  permission: RequiredPermission | undefined;
  role: Role | undefined;
  isOpenToSuspended: boolean;
}

function demandsOf(reflector: Reflector, context: ExecutionContext): RouteDemands {
  const read = <T>(key: string): T | undefined => reflector.getAllAndOverride<T | undefined>(key, [context.getHandler(), context.getClass()]);
  return {
    isPublic: read<boolean>(PUBLIC_ROUTE) ?? false,
    permission: read<RequiredPermission>(REQUIRED_PERMISSION),
    role: read<Role>(REQUIRED_ROLE),
    isOpenToSuspended: read<boolean>(OPEN_TO_SUSPENDED) ?? false,
  };
}

/** Decides whether an authenticated principal may use a route: from here, in this state, with this permission and role. */
@Injectable()
export class PermissionsGuard implements CanActivate {
  private readonly demands: PerRoute<RouteDemands>;

  constructor(reflector: Reflector) {
    this.demands = new PerRoute((context) => demandsOf(reflector, context));
  }

  canActivate(context: ExecutionContext): boolean {
    const demands = this.demands.of(context);
    if (demands.isPublic) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest & AuthenticatedRequest>();
    if (!request.user || demands.permission === undefined) return false;
    request.admit = (principal) => this.check(principal, request.ip, demands);
    request.admit(request.user);
    return true;
  }

  private check(principal: Principal, address: string, { permission, role, isOpenToSuspended }: RouteDemands): void {
    this.checkCircumstances(principal, address, isOpenToSuspended);
    if (role !== undefined && principal.role !== role) throw new ForbiddenRole(role);
    this.checkPermission(principal, permission!);
  }

  private checkPermission(principal: Principal, required: RequiredPermission): void {
    if (required === 'authenticated') return;
    if (required === 'session') {
      if (principal.sessionId === null) throw new SessionRequired();
    } else if (!principal.permissions.includes(required)) {
      throw new InsufficientScope(required);
    }
  }

  private checkCircumstances(principal: Principal, address: string, openToSuspended: boolean): void {
    if (!isAllowedAddress(address, principal.allowedIps)) throw new AddressNotAllowed();
    if (!openToSuspended && !isWorkingTenant(principal.tenantStatus)) throw new TenantSuspended();
  }
}
