import { Injectable } from '@nestjs/common';
import { Sealer } from '../../common/sealer.js';
import type { Principal } from '../../common/principal.js';
import { Transactions } from '../../persistence/transactions.js';
import type { DatabaseServerEntity, ServerType } from './database-server.entity.js';
import { BoundKeyCannotManageServers } from './database-servers.errors.js';
import { DatabaseServersRepository } from './database-servers.repository.js';
import { DatabaseServerNotFound } from '../databases.errors.js';
import type { ServerTestDto, TestDatabaseServerDto } from '../dto/database-server.dto.js';
import { ServerProbes, type ProbeResult } from './server-probes.service.js';
import { openedSecrets } from './server-secrets.js';
import { settingsAfter, settingsOf } from './server-settings.js';

function answerOf(type: ServerType, { milliseconds, version, failure }: ProbeResult): ServerTestDto {
  return {
    success: failure === null,
    message: failure?.message ?? 'The server answers and can be used.',
    response_time_ms: milliseconds,
    server_info: failure === null ? { type, version } : null,
    error_details: failure,
  };
}

/** Tries servers, saved or not, and remembers of the saved ones what came of it. */
@Injectable()
export class ServerTests {
  constructor(
    private readonly transactions: Transactions,
    private readonly servers: DatabaseServersRepository,
    private readonly probes: ServerProbes,
    private readonly sealer: Sealer,
  ) {}

  async testUnsaved(principal: Principal, { type, password = null, api_key = null, ...named }: TestDatabaseServerDto): Promise<ServerTestDto> {
    if (principal.databaseIds !== null) throw new BoundKeyCannotManageServers();
    if (type === 'EMBEDDED') return answerOf(type, await this.probes.askEmbedded());
    const settings = settingsAfter(null, { ...named, type });
    return answerOf(type, await this.probes.ask(() => ({ ...settings, password, apiKey: api_key })));
  }

  async testSaved(principal: Principal, id: string): Promise<ServerTestDto> {
    const server = await this.transactions.forTenant(principal.tenantId, (tx) => this.servers.findById(tx, id));
    if (!server) throw new DatabaseServerNotFound();
    if (principal.databaseIds !== null) throw new BoundKeyCannotManageServers();
    return answerOf(server.type, await this.check(server));
  }

  /** Asks it, and notes the outcome unless the server was changed meanwhile. */
  async check(server: DatabaseServerEntity): Promise<ProbeResult> {
    if (server.type === 'EMBEDDED') return this.probes.askEmbedded();
    const result = await this.probes.ask(() => ({ ...settingsOf(server), ...openedSecrets(this.sealer, server) }));
    await this.transactions.forTenant(server.tenantId, (tx) => this.servers.recordCheck(tx, { id: server.id, revision: server.revision, healthError: result.failure }));
    return result;
  }
}
