import type { IngestionSettings } from '../../../tenancy/tenant-configuration.service.js';
import type { DatabaseEntity } from '../../../databases/database.entity.js';
import { InvalidChunking } from '../../documents.errors.js';
import type { ChunkingOptionsDto } from '../../../common/chunking-options.dto.js';
import type { Chunking } from './chunking.js';

/** With the defaults of the database, and then the tenant's, for what is not named. @throws InvalidChunking */
export function chunkingOf(dto: ChunkingOptionsDto, settings: Pick<IngestionSettings, 'chunkSize' | 'chunkOverlap'>, database?: Pick<DatabaseEntity, 'chunkSize' | 'chunkOverlap' | 'chunkingStrategy'>): Chunking {
  const chunkSize = dto.chunk_size ?? database?.chunkSize ?? settings.chunkSize;
  const chunkOverlap = dto.chunk_overlap ?? database?.chunkOverlap ?? settings.chunkOverlap;
  const chunkingStrategy = dto.chunking_strategy ?? database?.chunkingStrategy ?? 'recursive';
  if (chunkOverlap >= chunkSize) throw new InvalidChunking(chunkSize, chunkOverlap);
  return { chunkSize, chunkOverlap, chunkingStrategy };
}
