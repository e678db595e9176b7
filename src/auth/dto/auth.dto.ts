import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsEmail, IsOptional, IsString, IsUrl, Length, MaxLength } from 'class-validator';
import { ApiKeyDto } from '../../api-keys/dto/api-key.dto.js';
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
  /** Seconds until the token ends. */
  expires_in: number;
  user: UserDto;
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
