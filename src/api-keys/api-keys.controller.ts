import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, OpenToPeopleAlways, RequirePermission, type Principal } from '../common/principal.js';
import { UuidParam } from '../common/validation.js';
import { Idempotent } from '../idempotency/idempotent.js';
import { ApiKeyUsageService } from './api-key-usage.service.js';
import { ApiKeysService } from './api-keys.service.js';
import { ApiKeyUsageQueryDto, ApiKeyUsageStatsDto } from './dto/api-key-usage.dto.js';
import { ApiKeyDto, ApiKeyListDto, CreateApiKeyDto, CreatedApiKeyDto, ListApiKeysQueryDto, RotateApiKeyDto, UpdateApiKeyDto } from './dto/api-key.dto.js';
import { KeyVerificationDto, VerifyApiKeyDto } from './dto/key-verification.dto.js';
import { KeyVerificationService } from './key-verification.service.js';

@ApiTags('API keys')
@Controller('api/v1/api-keys')
@RequirePermission('admin')
export class ApiKeysController {
  constructor(
    private readonly apiKeys: ApiKeysService,
    private readonly verification: KeyVerificationService,
    private readonly keyUsage: ApiKeyUsageService,
  ) {}

  /** Mints a key. `secret_key` is shown in this answer only. */
  @Post()
  @Idempotent({ secrets: ['secret_key'] })
  create(@CurrentPrincipal() principal: Principal, @Body() dto: CreateApiKeyDto): Promise<CreatedApiKeyDto> {
    return this.apiKeys.create(principal, dto);
  }

  /**
   * Whether a key of the own tenant is good, and for this: for a gateway of yours that your clients call with keys minted here. A key that
   * is good is charged one call of its hour.
   */
  @Post('verify')
  @HttpCode(200)
  verify(@CurrentPrincipal() principal: Principal, @Body() dto: VerifyApiKeyDto): Promise<KeyVerificationDto> {
    return this.verification.verify(principal, dto);
  }

  /** Lists the tenant's keys, newest first. */
  @Get()
  list(@CurrentPrincipal() principal: Principal, @Query() query: ListApiKeysQueryDto): Promise<ApiKeyListDto> {
    return this.apiKeys.list(principal, query);
  }

  /** Reads one key, without its secret. */
  @Get(':id')
  get(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<ApiKeyDto> {
    return this.apiKeys.get(principal, id);
  }

  /** What a key was used for: totals, by hour or day, and the endpoints it used most. */
  @Get(':id/usage')
  usage(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Query() query: ApiKeyUsageQueryDto): Promise<ApiKeyUsageStatsDto> {
    return this.keyUsage.stats(principal, id, query);
  }

  /** Changes only the fields that are named. */
  @Put(':id')
  put(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: UpdateApiKeyDto): Promise<ApiKeyDto> {
    return this.apiKeys.update(principal, id, dto);
  }

  /** Changes only the fields that are named. */
  @Patch(':id')
  patch(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: UpdateApiKeyDto): Promise<ApiKeyDto> {
    return this.apiKeys.update(principal, id, dto);
  }

  /** Replaces the secret: a new key inherits everything, the old one works until the grace ends. `secret_key` is shown in this answer only. */
  @Post(':id/rotate')
  @Idempotent({ secrets: ['secret_key'] })
  rotate(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: RotateApiKeyDto): Promise<CreatedApiKeyDto> {
    return this.apiKeys.rotate(principal, id, dto);
  }

  /** Revokes a key for good. */
  @Delete(':id')
  @OpenToPeopleAlways()
  @HttpCode(204)
  revoke(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<void> {
    return this.apiKeys.revoke(principal, id);
  }
}
