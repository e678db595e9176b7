import { Body, Controller, Delete, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { PageQueryDto } from '../common/pagination.js';
import { CurrentPrincipal, RequirePermission, type Principal } from '../common/principal.js';
import { UuidParam } from '../common/validation.js';
import { DatabaseAdministration } from './database-administration.service.js';
import { CollectionsDto, CreateDatabaseDto, DatabaseDto, DatabaseListDto } from './dto/database.dto.js';

@ApiTags('Databases')
@Controller('api/v1')
export class DatabasesController {
  constructor(private readonly databases: DatabaseAdministration) {}

  /** Creates a database and its collection on the embedded vector database. */
  @Post('databases')
  @RequirePermission('write')
  create(@CurrentPrincipal() principal: Principal, @Body() dto: CreateDatabaseDto): Promise<DatabaseDto> {
    return this.databases.create(principal, dto);
  }

  /** Lists databases, newest first. */
  @Get('databases')
  @RequirePermission('read')
  list(@CurrentPrincipal() principal: Principal, @Query() query: PageQueryDto): Promise<DatabaseListDto> {
    return this.databases.list(principal, query);
  }

  /** Reads one database. */
  @Get('databases/:id')
  @RequirePermission('read')
  get(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<DatabaseDto> {
    return this.databases.get(principal, id);
  }

  /** Deletes a database that holds no documents, and its collection. */
  @Delete('databases/:id')
  @HttpCode(204)
  @RequirePermission('write')
  remove(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<void> {
    return this.databases.remove(principal, id);
  }

  /** The tenant's collections in the vector databases. */
  @Get('tenant/collections')
  @RequirePermission('read')
  collections(@CurrentPrincipal() principal: Principal): Promise<CollectionsDto> {
    return this.databases.listCollections(principal);
  }
}
