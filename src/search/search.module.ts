import { Module } from '@nestjs/common';
import { DatabasesModule } from '../databases/databases.module.js';
import { CandidateSource } from './candidates.js';
import { FoundChunks } from './found-chunks.js';
import { QueryEmbedding } from './query-embedding.js';
import { SearchScopes } from './search-scope.js';
import { SearchController } from './search.controller.js';
import { SearchRepository } from './search.repository.js';
import { SearchService } from './search.service.js';

@Module({
  imports: [DatabasesModule],
  controllers: [SearchController],
  providers: [SearchRepository, SearchScopes, QueryEmbedding, CandidateSource, FoundChunks, SearchService],
})
export class SearchModule {}
