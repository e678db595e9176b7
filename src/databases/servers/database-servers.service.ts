import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Cursors, pageOf, type PageQueryDto } from '../../common/pagination.js';
import type { Principal } from '../../common/principal.js';
import { Sealer } from '../../common/sealer.js';
import { keepAnswer } from '../../idempotency/claim.js';
import { Outbound } from '../../outbound/outbound.js';
import { violates } from '../../persistence/postgres-errors.js';
import { Transactions, type TenantTx } from '../../persistence/transactions.js';
import type { DatabaseServerEntity } from './database-server.entity.js';
import {
  BoundKeyCannotManageServers, BuiltInDatabaseServer, DatabaseServerInUse, DatabaseServerNameTaken, DatabaseServerPlaceFixed, TooManyDatabaseServers,
} from './database-servers.errors.js';
import { DatabaseServersRepository, type DatabaseServerOverview, type ServerChange } from './database-servers.repository.js';
import { DatabaseServerNotFound } from '../databases.errors.js';
import { DatabaseServerDto, type CreateDatabaseServerDto, type DatabaseServerListDto, type UpdateDatabaseServerDto } from '../dto/database-server.dto.js';
import { ServerProbes } from './server-probes.service.js';
import { sealedSecrets } from './server-secrets.js';
import { movedFields, settingsAfter, settingsOf, targetOf } from './server-settings.js';

const MAX_SERVERS = 50;

/** Nobody knows how it is now. */
const UNCHECKED = { health: 'unknown', healthError: null, healthCheckedAt: null } as const;

function requireUnbound(principal: Principal): void {
  if (principal.databaseIds !== null) throw new BoundKeyCannotManageServers();
}

async function refusingTakenName<T>(name: string | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (name !== undefined && violates(error, 'database_servers_name')) throw new DatabaseServerNameTaken(name);
    throw error;
  }
}

/** What of a change the built-in server would have to take, besides a name: everything but what it is anyhow. */
function differsFromBuiltIn({ name: _, type = 'EMBEDDED', is_active = true, config, ...rest }: UpdateDatabaseServerDto): boolean {
  return type !== 'EMBEDDED' || !is_active || Object.keys(config ?? {}).length > 0 || Object.values(rest).some((value) => value !== undefined && value !== null);
}

/** The vector database servers that a tenant may put its databases on. */
@Injectable()
export class DatabaseServersService {
  constructor(
    private readonly transactions: Transactions,
    private readonly servers: DatabaseServersRepository,
    private readonly probes: ServerProbes,
    private readonly outbound: Outbound,
    private readonly sealer: Sealer,
    private readonly cursors: Cursors,
  ) {}

  /** @throws DatabaseServerNameTaken, TooManyDatabaseServers, UrlNotAllowed, BuiltInDatabaseServer, BoundKeyCannotManageServers */
  async create(principal: Principal, { name, type, password, api_key, is_active, ...named }: CreateDatabaseServerDto): Promise<DatabaseServerDto> {
    requireUnbound(principal);
    if (type === 'EMBEDDED') throw new BuiltInDatabaseServer('Every tenant has the EMBEDDED server from the start, and only one. Create databases on that.');
    const settings = settingsAfter(null, { ...named, type });
    await this.outbound.assertStorable(targetOf(settings));
    const id = uuidv7();
    const secrets = sealedSecrets(this.sealer, id, { password, apiKey: api_key });
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      if ((await this.servers.lockNumber(tx)) >= MAX_SERVERS) throw new TooManyDatabaseServers(MAX_SERVERS);
      await refusingTakenName(name, () => this.servers.insert(tx, { id, name, isActive: is_active, ...settings, ...secrets }));
      return keepAnswer(tx, DatabaseServerDto.from(await this.overview(tx, id)));
    });
  }

  async list(principal: Principal, query: PageQueryDto): Promise<DatabaseServerListDto> {
    const scope = `database-servers ${principal.tenantId}`;
    const before = this.cursors.decode(query.cursor, scope);
    const rows = await this.transactions.forTenantReading(principal.tenantId, (tx) => this.servers.listNewestFirst(tx, { limit: query.limit + 1, before }));
    const page = pageOf(rows, query.limit);
    return { database_servers: await Promise.all(page.rows.map((row) => this.shown(row))), ...this.cursors.pageInfo(page, query.limit, scope) };
  }

  async get(principal: Principal, id: string): Promise<DatabaseServerDto> {
    return this.shown(await this.transactions.forTenant(principal.tenantId, (tx) => this.overview(tx, id)));
  }

  /** @throws DatabaseServerPlaceFixed, DatabaseServerNameTaken, UrlNotAllowed, BuiltInDatabaseServer, BoundKeyCannotManageServers */
  async update(principal: Principal, id: string, dto: UpdateDatabaseServerDto): Promise<DatabaseServerDto> {
    for (;;) {
      const before = await this.transactions.forTenant(principal.tenantId, (tx) => this.servers.findById(tx, id));
      if (!before) throw new DatabaseServerNotFound();
      requireUnbound(principal);
      const change = await this.changeOf(before, dto);
      const after = await this.transactions.forTenant(principal.tenantId, (tx) => this.apply(tx, before, change));
      // Somebody else changed how it is reached meanwhile: what was made of that, and checked, no longer holds.
      if (after) return this.shown(after);
    }
  }

  /** @throws DatabaseServerInUse, BuiltInDatabaseServer, BoundKeyCannotManageServers */
  remove(principal: Principal, id: string): Promise<void> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      const server = await this.servers.lockById(tx, id);
      if (!server) throw new DatabaseServerNotFound();
      requireUnbound(principal);
      if (server.type === 'EMBEDDED') throw new BuiltInDatabaseServer('The built-in server cannot be deleted. Delete the databases on it instead.');
      const databases = await this.servers.countDatabases(tx, id);
      if (databases > 0) throw new DatabaseServerInUse(databases);
      await this.servers.remove(tx, id);
    });
  }

  /** What the request makes of the server, checked; `moved` has the fields by which it would be another place. */
  private async changeOf(before: DatabaseServerEntity, dto: UpdateDatabaseServerDto): Promise<{ change: ServerChange; moved: string[] }> {
    const { name, type, password, api_key, is_active, ...named } = dto;
    if (before.type === 'EMBEDDED') {
      if (differsFromBuiltIn(dto)) throw new BuiltInDatabaseServer('The built-in server is in this process: it has no address and no secrets, and is always on. Only its name can change.');
      return { change: { name }, moved: [] };
    }
    if (type === 'EMBEDDED') throw new BuiltInDatabaseServer('No other server can become the built-in one. Create databases on that.');
    const [old, settings] = [settingsOf(before), settingsAfter(settingsOf(before), { ...named, type })];
    if (old.host !== settings.host || old.port !== settings.port) await this.outbound.assertStorable(targetOf(settings));
    const isSwitched = is_active !== undefined && is_active !== before.isActive;
    const isAnother = !isDeepStrictEqual(old, settings) || isSwitched || password !== undefined || api_key !== undefined;
    return {
      change: {
        name,
        ...settings,
        ...sealedSecrets(this.sealer, before.id, { password, apiKey: api_key }),
        isActive: is_active,
        ...(isAnother ? { revision: before.revision + 1, ...UNCHECKED } : {}),
      },
      moved: movedFields(old, settings),
    };
  }

  /** @returns null when the server is not as it was before */
  private async apply(tx: TenantTx, before: DatabaseServerEntity, { change, moved }: { change: ServerChange; moved: string[] }): Promise<DatabaseServerOverview | null> {
    const server = await this.servers.lockById(tx, before.id);
    if (!server) throw new DatabaseServerNotFound();
    if (server.revision !== before.revision) return null;
    if (moved.length > 0 && (await this.servers.countDatabases(tx, before.id)) > 0) throw new DatabaseServerPlaceFixed(moved);
    await refusingTakenName(change.name, () => this.servers.update(tx, before.id, change));
    return this.overview(tx, before.id);
  }

  private async overview(tx: TenantTx, id: string): Promise<DatabaseServerOverview> {
    const server = await this.servers.findOverview(tx, id);
    if (!server) throw new DatabaseServerNotFound();
    return server;
  }

  /** The built-in one is asked whenever somebody wants to know: that costs less than to remember it. */
  private async shown(server: DatabaseServerOverview): Promise<DatabaseServerDto> {
    if (server.type !== 'EMBEDDED') return DatabaseServerDto.from(server);
    const { failure } = await this.probes.askEmbedded();
    const now = new Date();
    return DatabaseServerDto.from({ ...server, health: failure ? 'unhealthy' : 'healthy', healthError: failure, healthCheckedAt: now, lastConnectedAt: failure ? null : now });
  }
}
