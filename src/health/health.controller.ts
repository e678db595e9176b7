import { Controller, Get } from '@nestjs/common';
import { ApiProperty, ApiTags } from '@nestjs/swagger';
import { Public } from '../common/principal.js';
import { within } from '../common/within.js';
import { VectorStoreUnavailable } from '../databases/vector-stores/vector-store.errors.js';
import { VectorStores } from '../databases/collections/vector-stores.service.js';
import { BlobStoreUnavailable } from '../documents/documents.errors.js';
import { BlobStore } from '../documents/storage/blob-store.js';
import { Transactions } from '../persistence/transactions.js';

export class HealthDto {
  @ApiProperty({ enum: ['healthy'] })
  status: 'healthy';
}

export class ReadinessDto {
  @ApiProperty({ enum: ['ready'] })
  status: 'ready';
}

/** Probes wait for a few seconds at most. */
const BLOB_STORE_PATIENCE_MS = 2000;

@ApiTags('Operations')
@Controller('health')
@Public()
export class HealthController {
  constructor(
    private readonly transactions: Transactions,
    private readonly stores: VectorStores,
    private readonly blobs: BlobStore,
  ) {}

  /** The process answers. */
  @Get()
  health(): HealthDto {
    return { status: 'healthy' };
  }

  /** The process answers, whatever it depends on. */
  @Get('live')
  live(): HealthDto {
    return { status: 'healthy' };
  }

  /** The process and all it depends on can do their whole job. */
  @Get('ready')
  async ready(): Promise<ReadinessDto> {
    await this.transactions.forSystem((tx) => tx.manager.query('SELECT 1'));
    try {
      await this.stores.embedded.ping();
    } catch (error) {
      throw new VectorStoreUnavailable(error);
    }
    try {
      await within(BLOB_STORE_PATIENCE_MS, this.blobs.ping());
    } catch (error) {
      throw new BlobStoreUnavailable(error);
    }
    return { status: 'ready' };
  }
}
