import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { PageQueryDto } from '../../common/pagination.js';
import { CurrentPrincipal, RequirePermission, type Principal } from '../../common/principal.js';
import { UuidParam } from '../../common/validation.js';
import { Idempotent } from '../../idempotency/idempotent.js';
import { DatabaseServersService } from './database-servers.service.js';
import { CreateDatabaseServerDto, DatabaseServerDto, DatabaseServerListDto, ServerTestDto, TestDatabaseServerDto, UpdateDatabaseServerDto } from '../dto/database-server.dto.js';
import { ServerTests } from './server-tests.service.js';

@ApiTags('Database servers')
@Controller('api/v1/database-servers')
export class DatabaseServersController {
  constructor(
    private readonly servers: DatabaseServersService,
    private readonly tests: ServerTests,
  ) {}

  /** Registers a vector database server. It need not run yet. */
  @Post()
  @Idempotent()
  @RequirePermission('write')
  create(@CurrentPrincipal() principal: Principal, @Body() dto: CreateDatabaseServerDto): Promise<DatabaseServerDto> {
    return this.servers.create(principal, dto);
  }

  /** Tries a configuration without saving it. A failure is a 200, too: `success` is false, and `error_details` says why. */
  @Post('test')
  @HttpCode(200)
  @RequirePermission('write')
  testUnsaved(@CurrentPrincipal() principal: Principal, @Body() dto: TestDatabaseServerDto): Promise<ServerTestDto> {
    return this.tests.testUnsaved(principal, dto);
  }

  /** Lists the database servers, newest first. */
  @Get()
  @RequirePermission('read')
  list(@CurrentPrincipal() principal: Principal, @Query() query: PageQueryDto): Promise<DatabaseServerListDto> {
    return this.servers.list(principal, query);
  }

  /** Reads one database server, without its secrets. */
  @Get(':id')
  @RequirePermission('read')
  get(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<DatabaseServerDto> {
    return this.servers.get(principal, id);
  }

  /** Changes only the fields that are named; secrets that are omitted are kept. */
  @Put(':id')
  @RequirePermission('write')
  put(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: UpdateDatabaseServerDto): Promise<DatabaseServerDto> {
    return this.servers.update(principal, id, dto);
  }

  /** Changes only the fields that are named; secrets that are omitted are kept. */
  @Patch(':id')
  @RequirePermission('write')
  patch(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: UpdateDatabaseServerDto): Promise<DatabaseServerDto> {
    return this.servers.update(principal, id, dto);
  }

  /** Removes a database server that no database is on. */
  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('write')
  remove(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<void> {
    return this.servers.remove(principal, id);
  }

  /** Tries a saved server, and remembers the outcome as its `health`. A failure is a 200, too: `success` is false, and `error_details` says why. */
  @Post(':id/test')
  @HttpCode(200)
  @RequirePermission('write')
  testSaved(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<ServerTestDto> {
    return this.tests.testSaved(principal, id);
  }
}
