import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { isAllowedAddress } from '../common/ip-ranges.js';
import {
  isWorkingTenant, OPEN_TO_SUSPENDED, PUBLIC_ROUTE, REQUIRED_PERMISSION, REQUIRED_ROLE, type AuthenticatedRequest, type Principal, type RequiredPermission, type Role,
} from '../common/principal.js';
import { AddressNotAllowed, ForbiddenRole, InsufficientScope, SessionRequired, TenantSuspended } from './auth.errors.js';

/** Decides whether an authenticated principal may use a route: from here, in this state, with this permission and role. */
@Injectable()
export class PermissionsGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const read = <T>(key: string): T | undefined => this.reflector.getAllAndOverride<T | undefined>(key, [context.getHandler(), context.getClass()]);
    if (read<boolean>(PUBLIC_ROUTE)) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest & AuthenticatedRequest>();
    const principal = request.user;
    const permission = read<RequiredPermission>(REQUIRED_PERMISSION);
    if (!principal || permission === undefined) return false;
    this.checkCircumstances(principal, request.ip, read<boolean>(OPEN_TO_SUSPENDED) ?? false);
    const role = read<Role>(REQUIRED_ROLE);
    if (role !== undefined && principal.role !== role) throw new ForbiddenRole(role);
    this.checkPermission(principal, permission);
    return true;
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
