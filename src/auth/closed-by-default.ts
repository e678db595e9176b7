import { Injectable, RequestMethod, type OnModuleInit, type Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { PUBLIC_ROUTE, REQUIRED_PERMISSION, REQUIRED_ROLE } from '../common/principal.js';

/** One route and who may call it; the permission snapshot is a list of these. */
export interface RouteAccess {
  method: string;
  path: string;
  handler: string;
  access: string;
}

/** Knows every route of the application, and stops it from starting with one that nobody decided about. */
@Injectable()
export class ClosedByDefault implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly reflector: Reflector,
  ) {}

  onModuleInit(): void {
    const undecided = this.routes().filter((route) => route.access === '');
    if (undecided.length > 0) {
      throw new Error(`Routes without @RequirePermission or @Public: ${undecided.map((route) => route.handler).join(', ')}`);
    }
  }

  routes(): RouteAccess[] {
    return this.discovery
      .getControllers()
      .flatMap(({ metatype }) => (metatype ? this.routesOf(metatype as Type) : []))
      .sort((a, b) => `${a.path} ${a.method}`.localeCompare(`${b.path} ${b.method}`, 'en'));
  }

  private routesOf(controller: Type): RouteAccess[] {
    const prefix = String(Reflect.getMetadata(PATH_METADATA, controller) ?? '');
    return this.scanner.getAllMethodNames(controller.prototype as object).flatMap((name) => {
      const handler = (controller.prototype as Record<string, object>)[name]!;
      const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
      if (method === undefined) return [];
      const path = [prefix, String(Reflect.getMetadata(PATH_METADATA, handler))].flatMap((part) => part.split('/')).filter((part) => part !== '');
      return [{ method: RequestMethod[method], path: `/${path.join('/')}`, handler: `${controller.name}.${name}`, access: this.accessOf(controller, handler) }];
    });
  }

  private accessOf(controller: Type, handler: object): string {
    const read = <T>(key: string): T | undefined => this.reflector.getAllAndOverride<T | undefined>(key, [handler as () => void, controller]);
    if (read<boolean>(PUBLIC_ROUTE)) return 'public';
    const permission = read<string>(REQUIRED_PERMISSION);
    // A role alone decides nothing about keys.
    if (permission === undefined) return '';
    const role = read<string>(REQUIRED_ROLE);
    return [permission, ...(role === undefined ? [] : [`role ${role}`])].join(', ');
  }
}
