import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { ValidationFailed } from '../common/request-errors.js';
import { Config } from '../config/config.js';
import { Transactions, type AnyTx } from '../persistence/transactions.js';
import { TenantConfigurationDto, type UpdateTenantConfigurationDto } from './dto/tenant-configuration.dto.js';
import { BYTES_PER_MIB } from './quota.entity.js';
import { DefaultDatabaseContradicted, DefaultDatabaseNotFound, InvalidDefaultChunking, TenantNotFound } from './tenancy.errors.js';
import { changed, wholeOf, type AllowedFileType } from './tenant-configuration.js';
import { TenantConfigurationRepository, type ConfigurationRow } from './tenant-configuration.repository.js';

/** What a tenant lets in, and how it is cut unless the request says otherwise. */
export interface IngestionSettings {
  maxFileBytes: number;
  /** The limit in words, for the refusal. */
  maxFileSize: string;
  allowedFileTypes: readonly AllowedFileType[];
  chunkSize: number;
  chunkOverlap: number;
  /** Whether audio, video and images are taken, for workers elsewhere to read. */
  enableRemoteProcessing: boolean;
}

/** Who changes a configuration: the databases a key is bound to; null is no bound. */
export type ConfigurationEditor = Pick<Principal, 'databaseIds'>;

/** Read where it is needed, never remembered: a change holds for the next request of every process. */
@Injectable()
export class TenantConfigurationService {
  constructor(
    private readonly transactions: Transactions,
    private readonly configurations: TenantConfigurationRepository,
    private readonly config: Config,
  ) {}

  read({ tenantId, databaseIds }: Principal): Promise<TenantConfigurationDto> {
    return this.transactions.forTenant(tenantId, (tx) => this.describe(tx, tenantId, databaseIds));
  }

  update(principal: Principal, dto: UpdateTenantConfigurationDto): Promise<TenantConfigurationDto> {
    const { tenantId } = principal;
    return this.transactions.forTenant(tenantId, async (tx) => {
      await this.change(tx, tenantId, principal, dto);
      return this.describe(tx, tenantId, principal.databaseIds);
    });
  }

  /** For an upload whose body has not been read yet: one query. */
  async forIngestion({ tenantId }: Principal): Promise<IngestionSettings> {
    const { stored } = await this.transactions.forTenant(tenantId, (tx) => this.find(tx, tenantId));
    const { maxFileSizeMb, allowedFileTypes, defaultChunkSize, defaultChunkOverlap, enableRemoteProcessing } = wholeOf(stored);
    const ofServer = this.config.env.MAX_UPLOAD_MB;
    // The server's own limit may have been lowered since.
    const isStricter = maxFileSizeMb !== null && maxFileSizeMb < ofServer;
    return {
      maxFileBytes: (isStricter ? maxFileSizeMb : ofServer) * BYTES_PER_MIB,
      maxFileSize: isStricter ? `${maxFileSizeMb} MiB for a file of your tenant` : `${ofServer} MiB for a file`,
      allowedFileTypes,
      chunkSize: defaultChunkSize,
      chunkOverlap: defaultChunkOverlap,
      enableRemoteProcessing,
    };
  }

  /** @throws TenantNotFound */
  private async describe(tx: AnyTx, tenantId: string, databaseIds: readonly string[] | null): Promise<TenantConfigurationDto> {
    return TenantConfigurationDto.from(await this.find(tx, tenantId), databaseIds);
  }

  /**
   * Locks the database before the tenant's row, as whoever deletes a database does.
   * @throws TenantNotFound, DefaultDatabaseNotFound, DefaultDatabaseContradicted, InvalidDefaultChunking, ValidationFailed; then nothing may be committed
   */
  async change(tx: AnyTx, tenantId: string, editor: ConfigurationEditor, dto: UpdateTenantConfigurationDto): Promise<void> {
    this.checkFileSize(dto.max_file_size_mb);
    const defaultDatabaseId = await this.defaultDatabase(tx, tenantId, editor, dto);
    const before = await this.configurations.lock(tx, tenantId);
    if (!before) throw new TenantNotFound();
    const after = changed(before, {
      defaultDatabaseId,
      allowedFileTypes: dto.allowed_file_types,
      maxFileSizeMb: dto.max_file_size_mb,
      defaultChunkSize: dto.default_chunk_size,
      defaultChunkOverlap: dto.default_chunk_overlap,
      enableRemoteProcessing: dto.enable_remote_processing,
      enableWebhooks: dto.enable_webhooks,
      customSettings: dto.custom_settings,
    });
    const { defaultChunkSize, defaultChunkOverlap } = wholeOf(after);
    if (defaultChunkOverlap >= defaultChunkSize) throw new InvalidDefaultChunking(defaultChunkSize, defaultChunkOverlap);
    await this.configurations.update(tx, tenantId, after);
  }

  private checkFileSize(wanted: number | null | undefined): void {
    const { MAX_UPLOAD_MB: limit } = this.config.env;
    if (typeof wanted === 'number' && wanted > limit) throw new ValidationFailed([{ field: 'max_file_size_mb', message: `max_file_size_mb must not be greater than the server's own limit, ${limit}` }]);
  }

  /** Undefined when the request says nothing about it. */
  private async defaultDatabase(tx: AnyTx, tenantId: string, editor: ConfigurationEditor, dto: UpdateTenantConfigurationDto): Promise<string | null | undefined> {
    const { default_database_id: id, default_collection_name: collectionName } = dto;
    const find = async (named: { id?: string; collectionName?: string }): Promise<string> => {
      const found = await this.configurations.findDatabase(tx, tenantId, named);
      if (found === null || editor.databaseIds?.includes(found) === false) throw new DefaultDatabaseNotFound();
      return found;
    };
    const byId = typeof id === 'string' ? await find({ id }) : id;
    const byCollection = typeof collectionName === 'string' ? await find({ collectionName }) : collectionName;
    if (byId !== undefined && byCollection !== undefined && byId !== byCollection) throw new DefaultDatabaseContradicted();
    return byId === undefined ? byCollection : byId;
  }

  private async find(tx: AnyTx, tenantId: string): Promise<ConfigurationRow> {
    const found = await this.configurations.find(tx, tenantId);
    if (!found) throw new TenantNotFound();
    return found;
  }
}
