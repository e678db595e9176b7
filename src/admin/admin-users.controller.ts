import { Body, Controller, Get, Patch, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { RequirePermission, RequireRole } from '../common/principal.js';
import { UuidParam } from '../common/validation.js';
import { AdminUserDto, ListUsersQueryDto, UpdateStandingDto, UserListDto } from '../users/dto/user.dto.js';
import { UserAdministration } from '../users/user-administration.service.js';

@ApiTags('Administration')
@Controller('admin/users')
@RequirePermission('admin')
@RequireRole('ADMIN')
export class AdminUsersController {
  constructor(private readonly users: UserAdministration) {}

  /** Lists the people of all tenants, newest first. */
  @Get()
  list(@Query() query: ListUsersQueryDto): Promise<UserListDto> {
    return this.users.list(query);
  }

  /** One person. */
  @Get(':id')
  get(@UuidParam() id: string): Promise<AdminUserDto> {
    return this.users.get(id);
  }

  /** Changes somebody's role, or keeps somebody out. Either ends the person's sessions within a second, everywhere. */
  @Patch(':id')
  update(@UuidParam() id: string, @Body() dto: UpdateStandingDto): Promise<AdminUserDto> {
    return this.users.update(id, dto);
  }
}
