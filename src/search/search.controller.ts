import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequirePermission, type Principal } from '../common/principal.js';
import { SearchDto, SearchResponseDto } from './dto/search.dto.js';
import { SearchService } from './search.service.js';

@ApiTags('Search')
@Controller('api/v1/search')
export class SearchController {
  constructor(private readonly searching: SearchService) {}

  /** Finds passages in the tenant's documents, each with a citation. */
  @Post()
  @HttpCode(200)
  @RequirePermission('search')
  search(@CurrentPrincipal() principal: Principal, @Body() dto: SearchDto): Promise<SearchResponseDto> {
    return this.searching.search(principal, dto);
  }
}
