import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { TenancyModule } from '../tenancy/tenancy.module.js';
import { UserEntity } from './user.entity.js';
import { UserSettingsEntity } from './user-settings.entity.js';
import { UserAdministration } from './user-administration.service.js';
import { UsersRepository } from './users.repository.js';
import { UsersService } from './users.service.js';

@Module({
  imports: [TenancyModule, TypeOrmModule.forFeature([UserEntity, UserSettingsEntity])],
  providers: [UsersRepository, UsersService, UserAdministration],
  exports: [UsersService, UserAdministration],
})
export class UsersModule {}
