import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Controller, Get, Post, type Type } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { ClosedByDefault } from '../../src/auth/closed-by-default.js';
import { PERMISSIONS, Public, RequirePermission, RequireRole } from '../../src/common/principal.js';
import type { ApiClient } from '../support/api-client.js';
import { administrator, changeStanding, createKey, createTenant, eventually, PASSWORD, signIn, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

const NOWHERE = '00000000-0000-7000-8000-000000000000';
const snapshot = JSON.parse(readFileSync(fileURLToPath(new URL('./endpoint-permissions.json', import.meta.url)), 'utf8')) as Record<string, string>;
const ROUTES = Object.entries(snapshot).map(([route, access]) => {
  const [method, path] = route.split(' ') as [string, string];
  return { method, path, access };
});
const titled = ROUTES.map((route) => [`${route.method} ${route.path}`, route.access, route] as const);

const addressOf = (path: string): string => path.replaceAll(/:\w+/g, NOWHERE);

/** What a route answers to a caller of whom nothing else is wrong: the code of a refusal, or `permitted`. */
type Verdict = string;

async function verdict(client: ApiClient, { method, path }: { method: string; path: string }): Promise<Verdict> {
  const sendsBody = method !== 'GET' && method !== 'DELETE';
  const { status, body } = await client.send<{ code: string; required_permission?: string }>(method, addressOf(path), sendsBody ? {} : undefined);
  if (status >= 500) throw new Error(`${method} ${path} answered ${status}`);
  if (status !== 401 && status !== 403) return 'permitted';
  return `${status} ${[body.code, body.required_permission].filter((part) => part !== undefined).join(' ')}`.trim();
}

/** What the snapshot promises a key of an ordinary person with this one permission. */
function promisedToKey(access: string, permission: string): Verdict {
  if (access === 'public' || access === 'authenticated') return 'permitted';
  if (access === 'session') return '403 session_required';
  if (access.includes('role ADMIN')) return '403 forbidden_role';
  return access === permission ? 'permitted' : `403 insufficient_scope ${access}`;
}

describe('who may call what', () => {
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;
  const keys = new Map<string, ApiClient>();

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
    tenant = await createTenant(server.anonymous);
    for (const permission of PERMISSIONS) keys.set(permission, (await createKey(tenant.client, [permission])).client);
  });
  afterAll(() => server.stop());

  it('is decided for every route there is, and the decisions are the committed ones', () => {
    const routes = server.app.get(ClosedByDefault, { strict: false }).routes();
    expect(Object.fromEntries(routes.map(({ method, path, access }) => [`${method} ${path}`, access]))).toEqual(snapshot);
    expect(routes.length).toBeGreaterThan(30);
  });

  it.each(titled)('%s (%s): nobody without a credential, unless it is public', async (_, access, route) => {
    const promised = access === 'public' ? 'permitted' : '401 unauthenticated';
    expect(await verdict(server.anonymous, route)).toBe(promised);
    if (route.method !== 'GET') return;
    const head = await fetch(`${server.url}${addressOf(route.path)}`, { method: 'HEAD' });
    expect(head.status === 401).toBe(access !== 'public');
  });

  it.each(titled)('%s (%s): of the keys with one permission, exactly those that have it', async (_, access, route) => {
    const answered = new Map<string, Verdict>();
    for (const [permission, client] of keys) answered.set(permission, await verdict(client, route));
    expect(Object.fromEntries(answered)).toEqual(Object.fromEntries(PERMISSIONS.map((permission) => [permission, promisedToKey(access, permission)])));
  });

  it.each(titled)('%s (%s): people by their role', async (_, access, route) => {
    // Signing out ends the session, and the others need theirs.
    const person = route.path === '/auth/logout' ? (await createTenant(server.anonymous)).client : tenant.client;
    expect(await verdict(person, route)).toBe(access.includes('role ADMIN') ? '403 forbidden_role' : 'permitted');
    expect(await verdict(route.path === '/auth/logout' ? await administrator(server) : admin, route)).toBe('permitted');
  });

  it('a VIEWER may read and search, and change only the own account', async () => {
    const viewer = await createTenant(server.anonymous);
    await changeStanding(admin, viewer.userId, { role: 'VIEWER' });
    const client = server.anonymous.asUser(await signIn(server.anonymous, viewer.email, PASSWORD));
    for (const route of ROUTES.toSorted((one) => (one.path === '/auth/logout' ? 1 : -1))) {
      const permission = route.access.split(',')[0]!;
      const promised = route.access.includes('role ADMIN')
        ? '403 forbidden_role'
        : ['public', 'authenticated', 'session', 'read', 'search'].includes(permission)
          ? 'permitted'
          : `403 insufficient_scope ${permission}`;
      expect(`${route.method} ${route.path}: ${await verdict(client, route)}`).toBe(`${route.method} ${route.path}: ${promised}`);
    }
  });

  it('an administrator’s key reaches the administration only with the permission for it', async () => {
    const administration = ROUTES.filter(({ access }) => access.includes('role ADMIN'));
    expect(administration.length).toBeGreaterThan(0);
    const all = await createKey(admin, ['admin']);
    const reader = await createKey(admin, PERMISSIONS.filter((permission) => permission !== 'admin'));
    for (const route of administration) {
      expect(await verdict(all.client, route)).toBe('permitted');
      expect(await verdict(reader.client, route)).toBe('403 insufficient_scope admin');
    }
  });

  it('a role is what it is now, not what it was at sign-in, however it was changed', async () => {
    const person = await createTenant(server.anonymous);
    const key = await createKey(person.client, ['admin']);
    const route = { method: 'GET', path: '/admin/tenants' };
    for (const [role, promised] of [['ADMIN', 'permitted'], ['USER', '403 forbidden_role']] as const) {
      await changeStanding(admin, person.userId, { role });
      expect(await verdict(key.client, route)).toBe(promised);
      expect(await verdict(person.client, route)).toBe('401 invalid_credentials');
      expect(await verdict(server.anonymous.asUser(await signIn(server.anonymous, person.email, PASSWORD)), route)).toBe(promised);
    }
    // An operator's own statement, of which no service knows: announced by the table itself. Without a word the old role would be remembered for five seconds.
    await server.database.query(`UPDATE users SET role = 'ADMIN' WHERE id = $1`, [person.userId]);
    await eventually(() => verdict(key.client, route), (seen) => seen === 'permitted', 3000);
  });
});

describe('a route that nobody decided about', () => {
  @Controller('decided')
  class DecidedController {
    @Get()
    @RequirePermission('read')
    read(): void {}

    @Post('open')
    @Public()
    open(): void {}

    notARoute(): void {}
  }

  @Controller('forgotten')
  class ForgottenController {
    @Get()
    @RequirePermission('read')
    read(): void {}

    @Post(':id/forgotten')
    forgotten(): void {}
  }

  @Controller('half')
  class RoleOnlyController {
    @Get()
    @RequireRole('ADMIN')
    roleAlone(): void {}
  }

  @Controller('whole')
  @RequirePermission('write')
  class ClassWideController {
    @Get(':id')
    inherited(): void {}
  }

  async function start(...controllers: Type[]): Promise<ClosedByDefault> {
    const module = await Test.createTestingModule({ imports: [DiscoveryModule], controllers, providers: [ClosedByDefault] }).compile();
    await module.init();
    return module.get(ClosedByDefault);
  }

  it('stops the application, and is named', async () => {
    await expect(start(DecidedController, ForgottenController)).rejects.toThrow('ForgottenController.forgotten');
    await expect(start(DecidedController, ForgottenController)).rejects.not.toThrow('ForgottenController.read');
  });

  it('is also one that names a role but no permission, which no key could be held to', async () => {
    await expect(start(RoleOnlyController)).rejects.toThrow('RoleOnlyController.roleAlone');
  });

  it('is none that its class decided about', async () => {
    const closed = await start(DecidedController, ClassWideController);
    expect(closed.routes().map(({ method, path, access }) => `${method} ${path} ${access}`)).toEqual(['GET /decided read', 'POST /decided/open public', 'GET /whole/:id write']);
  });
});
