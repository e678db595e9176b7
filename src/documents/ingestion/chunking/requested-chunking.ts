import type { IngestionSettings } from '../../../tenancy/tenant-configuration.service.js';
import { InvalidChunking } from '../../documents.errors.js';
import type { ChunkingOptionsDto } from '../../dto/chunking-options.dto.js';
import type { Chunking } from './chunking.js';

/** With the tenant's defaults for what is not named. @throws InvalidChunking */
export function chunkingOf(dto: ChunkingOptionsDto, settings: IngestionSettings): Chunking {
  const { chunk_size: chunkSize = settings.chunkSize, chunk_overlap: chunkOverlap = settings.chunkOverlap, chunking_strategy: chunkingStrategy = 'recursive' } = dto;
  if (chunkOverlap >= chunkSize) throw new InvalidChunking(chunkSize, chunkOverlap);
  return { chunkSize, chunkOverlap, chunkingStrategy };
}
