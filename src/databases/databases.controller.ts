import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { PageQueryDto } from '../common/pagination.js';
import { CurrentPrincipal, RequirePermission, type Principal } from '../common/principal.js';
import { UuidParam } from '../common/validation.js';
import { Idempotent } from '../idempotency/idempotent.js';
import { DatabaseAdministration } from './database-administration.service.js';
import { DatabaseCreation } from './database-creation.service.js';
import { DatabaseOverviews } from './database-overviews.service.js';
import { CollectionsDto, CreateDatabaseDto, DatabaseDto, DatabaseListDto, RemoveDatabaseQueryDto, UpdateDatabaseDto } from './dto/database.dto.js';
import { CreateReindexDto, ReindexDto } from './dto/reindex.dto.js';
import { Reindexes } from './reindexes/reindexes.service.js';

@ApiTags('Databases')
@Controller('api/v1')
export class DatabasesController {
  constructor(
    private readonly creation: DatabaseCreation,
    private readonly databases: DatabaseAdministration,
    private readonly overviews: DatabaseOverviews,
    private readonly reindexes: Reindexes,
  ) {}

  /** Creates a database and its collection, on the built-in vector database unless another server is named. A failure there leaves nothing. */
  @Post('databases')
  @Idempotent()
  @RequirePermission('write')
  create(@CurrentPrincipal() principal: Principal, @Body() dto: CreateDatabaseDto): Promise<DatabaseDto> {
    return this.creation.create(principal, dto);
  }

  /** Lists databases, newest first. */
  @Get('databases')
  @RequirePermission('read')
  list(@CurrentPrincipal() principal: Principal, @Query() query: PageQueryDto): Promise<DatabaseListDto> {
    return this.overviews.list(principal, query);
  }

  /** Reads one database. */
  @Get('databases/:id')
  @RequirePermission('read')
  get(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<DatabaseDto> {
    return this.overviews.get(principal, id);
  }

  /** Changes how documents are cut from now on, and where the same model is reached. Another model is a reindex. */
  @Patch('databases/:id')
  @RequirePermission('write')
  update(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: UpdateDatabaseDto): Promise<DatabaseDto> {
    return this.databases.update(principal, id, dto);
  }

  /**
   * Deletes a database and its collection. While it holds documents that is refused, unless `cascade` deletes them, too: then nobody sees any of
   * it from the answer on, its name is free, and files and quota follow in the background.
   */
  @Delete('databases/:id')
  @HttpCode(204)
  @RequirePermission('write')
  remove(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Query() query: RemoveDatabaseQueryDto): Promise<void> {
    return this.databases.remove(principal, id, query);
  }

  /**
   * Makes the vectors of a database anew in another collection, with another model if one is named, from the chunks that are there. It is searched
   * and written as before until the new collection is whole; then they are swapped at once. It goes on after a crash; the answer says what it does.
   */
  @Post('databases/:id/reindex')
  @Idempotent()
  @HttpCode(202)
  @RequirePermission('write')
  reindex(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: CreateReindexDto): Promise<ReindexDto> {
    return this.reindexes.begin(principal, id, dto);
  }

  /** The latest reindex of a database, and how far it is. */
  @Get('databases/:id/reindex')
  @RequirePermission('read')
  latestReindex(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<ReindexDto> {
    return this.reindexes.latest(principal, id);
  }

  /** Cancels a reindex that runs; the database stays as it is. */
  @Delete('databases/:id/reindex')
  @HttpCode(200)
  @RequirePermission('write')
  cancelReindex(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<ReindexDto> {
    return this.reindexes.cancel(principal, id);
  }

  /** The tenant's collections in the vector databases. */
  @Get('tenant/collections')
  @RequirePermission('read')
  collections(@CurrentPrincipal() principal: Principal): Promise<CollectionsDto> {
    return this.overviews.listCollections(principal);
  }
}
