import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsDate, IsEmail, IsIn, IsOptional, IsString, IsUrl, Length, Matches, MaxLength } from 'class-validator';
import { CountedPageInfoDto, CountedPageQueryDto } from '../../common/pagination.js';
import { ROLES, type Role } from '../../common/principal.js';
import { DateFromText, FlagFromText, Omittable } from '../../common/validation.js';
import type { UserEntity } from '../user.entity.js';
import { THEMES, type Theme, type UserSettingsEntity } from '../user-settings.entity.js';

export class UserDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  name: string;
  email: string;
  avatar: string | null;
  @ApiProperty({ enum: ROLES })
  role: Role;
  is_active: boolean;
  created_at: Date;
  updated_at: Date;

  static from(user: UserEntity): UserDto {
    return {
      id: user.id,
      name: user.name,
      email: user.email,
      avatar: user.avatar,
      role: user.role,
      is_active: user.isActive,
      created_at: user.createdAt,
      updated_at: user.updatedAt,
    };
  }
}

/** A person as the administrator sees it. */
export class AdminUserDto extends UserDto {
  @ApiProperty({ format: 'uuid' })
  tenant_id: string;
  last_login: Date | null;

  static ofAnyTenant(user: UserEntity): AdminUserDto {
    return { ...UserDto.from(user), tenant_id: user.tenantId, last_login: user.lastLoginAt };
  }
}

export class UserListDto extends CountedPageInfoDto {
  users: AdminUserDto[];
}

export class ListUsersQueryDto extends CountedPageQueryDto {
  /** Only people with this role. */
  @ApiPropertyOptional({ enum: ROLES })
  @Omittable()
  @IsIn(ROLES)
  role?: Role;

  /** Only people who may sign in, or only those who may not. */
  @Omittable()
  @FlagFromText()
  @IsBoolean()
  is_active?: boolean;

  /** Part of the e-mail address, in any case. */
  @Omittable()
  @IsString()
  @MaxLength(255)
  email_contains?: string;

  /** Part of the name, in any case. */
  @Omittable()
  @IsString()
  @MaxLength(255)
  name_contains?: string;

  /** Registered after this time. */
  @Omittable()
  @DateFromText()
  @IsDate()
  created_after?: Date;

  /** Registered before this time. */
  @Omittable()
  @DateFromText()
  @IsDate()
  created_before?: Date;

  /** Signed in after this time; who never did is in neither half. */
  @Omittable()
  @DateFromText()
  @IsDate()
  last_login_after?: Date;

  /** Signed in before this time, and not since. */
  @Omittable()
  @DateFromText()
  @IsDate()
  last_login_before?: Date;
}

/** What an administrator may change of a person. */
export class UpdateStandingDto {
  @ApiPropertyOptional({ enum: ROLES, example: 'VIEWER' })
  @Omittable()
  @IsIn(ROLES)
  role?: Role;

  /** False keeps the person out, and the keys it made. */
  @Omittable()
  @IsBoolean()
  is_active?: boolean;
}

export class UpdateUserDto {
  /** @example 'Ada King' */
  @Omittable()
  @IsString()
  @Length(2, 255)
  name?: string;

  @Omittable()
  @IsEmail()
  @MaxLength(254)
  email?: string;

  /** Address of a picture. */
  @IsOptional()
  @IsUrl({ protocols: ['http', 'https'], require_protocol: true, require_tld: false })
  @MaxLength(2048)
  avatar?: string;
}

export class UserSettingsDto {
  @ApiProperty({ enum: THEMES })
  theme: Theme;
  language: string;
  notifications: boolean;
  auto_save: boolean;
  /** Name of the database that uploads go to when they name none. */
  default_database: string;

  static from(settings: UserSettingsEntity): UserSettingsDto {
    return {
      theme: settings.theme,
      language: settings.language,
      notifications: settings.notifications,
      auto_save: settings.autoSave,
      default_database: settings.defaultDatabase,
    };
  }
}

export class UpdateUserSettingsDto {
  @ApiPropertyOptional({ enum: THEMES, example: THEMES[0] })
  @Omittable()
  @IsIn(THEMES)
  theme?: Theme;

  /** A BCP 47 language tag, such as `en` or `pt-BR`. */
  @Omittable()
  @IsString()
  @Matches(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, { message: 'language must be a language tag such as en or pt-BR' })
  @MaxLength(35)
  language?: string;

  @Omittable()
  @IsBoolean()
  notifications?: boolean;

  @Omittable()
  @IsBoolean()
  auto_save?: boolean;

  @Omittable()
  @IsString()
  @Matches(/^[a-z0-9][a-z0-9_-]{0,62}$/, { message: 'default_database must be the name of a database' })
  default_database?: string;
}
