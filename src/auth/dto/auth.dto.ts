import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsEmail, IsOptional, IsString, IsUrl, Length, MaxLength } from 'class-validator';
import { ApiKeyDto } from '../../api-keys/dto/api-key.dto.js';
import { Omittable } from '../../common/validation.js';
import { UserDto } from '../../users/dto/user.dto.js';

export class RegisterDto {
  /** @example 'Ada Lovelace' */
  @IsString()
  @Length(2, 255)
  name: string;

  /** @example ada@example.com */
  @IsEmail()
  @MaxLength(254)
  email: string;

  /** @example correct-horse-battery */
  @IsString()
  @Length(8, 128)
  password: string;

  /** Address of a picture. */
  @IsOptional()
  @IsUrl({ protocols: ['http', 'https'], require_protocol: true, require_tld: false })
  @MaxLength(2048)
  avatar?: string;
}

export class LoginDto {
  /** @example ada@example.com */
  @IsString()
  @MaxLength(254)
  email: string;

  /** @example correct-horse-battery */
  @IsString()
  @MaxLength(128)
  password: string;
}

export class LoginResultDto {
  /** Send it as `Authorization: Bearer …`. */
  access_token: string;
  @ApiProperty({ enum: ['bearer'] })
  token_type: 'bearer';
  /** Seconds until the access token ends. */
  expires_in: number;
  /** Good for one `POST /auth/refresh` within 30 days, which answers the next one. */
  refresh_token: string;
  user: UserDto;
}

export class RefreshDto {
  /**
   * The one from the last answer; each works once.
   * @example mr_0123456789ABCDEFGHIJKLMNOPQRSTUV1ggZdL
   */
  @IsString()
  @MaxLength(4096)
  refresh_token: string;
}

export class LogoutDto {
  /** End every session of yours and not only this one. */
  @ApiPropertyOptional({ default: false, example: false })
  @Omittable()
  @IsBoolean()
  everywhere: boolean = false;
}

/** Who is signed in; with the key beside, when a key asked. */
export class MeDto extends UserDto {
  @ApiPropertyOptional({ type: ApiKeyDto })
  api_key?: ApiKeyDto;
}

export class ChangePasswordDto {
  /** @example correct-horse-battery */
  @IsString()
  @MaxLength(128)
  current_password: string;

  /** @example battery-staple-horse */
  @IsString()
  @Length(8, 128)
  new_password: string;
}
