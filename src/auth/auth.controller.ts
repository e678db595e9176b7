import { Body, Controller, Get, HttpCode, Post, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, Public, RequirePermission, type Principal } from '../common/principal.js';
import { UpdateUserDto, UpdateUserSettingsDto, UserDto, UserSettingsDto } from '../users/dto/user.dto.js';
import { UsersService } from '../users/users.service.js';
import { AuthService } from './auth.service.js';
import { ChangePasswordDto, LoginDto, LoginResultDto, MeDto, RegisterDto } from './dto/auth.dto.js';
import { RegistrationService } from './registration.service.js';

@ApiTags('Authentication')
@Controller('auth')
export class AuthController {
  constructor(
    private readonly registration: RegistrationService,
    private readonly auth: AuthService,
    private readonly users: UsersService,
  ) {}

  /** Creates an account with a tenant of its own, default quotas and the database `default`. */
  @Post('register')
  @Public()
  register(@Body() dto: RegisterDto): Promise<UserDto> {
    return this.registration.register(dto);
  }

  /** Signs in with a password. */
  @Post('login')
  @HttpCode(200)
  @Public()
  login(@Body() dto: LoginDto): Promise<LoginResultDto> {
    return this.auth.login(dto);
  }

  /** Whose credential this is; an API key also sees itself in `api_key`. */
  @Get('me')
  @RequirePermission('authenticated')
  me(@CurrentPrincipal() principal: Principal): Promise<MeDto> {
    return this.auth.me(principal);
  }

  /** Changes your profile: only the fields that are named. */
  @Put('me')
  @RequirePermission('session')
  updateMe(@CurrentPrincipal() principal: Principal, @Body() dto: UpdateUserDto): Promise<UserDto> {
    return this.users.updateProfile(principal, dto);
  }

  /** Your preferences. */
  @Get('settings')
  @RequirePermission('authenticated')
  settings(@CurrentPrincipal() principal: Principal): Promise<UserSettingsDto> {
    return this.users.settings(principal);
  }

  /** Changes your preferences: only the fields that are named. */
  @Put('settings')
  @RequirePermission('session')
  updateSettings(@CurrentPrincipal() principal: Principal, @Body() dto: UpdateUserSettingsDto): Promise<UserSettingsDto> {
    return this.users.updateSettings(principal, dto);
  }

  /** Changes the password and ends every other session. */
  @Post('change-password')
  @HttpCode(204)
  @RequirePermission('session')
  changePassword(@CurrentPrincipal() principal: Principal, @Body() dto: ChangePasswordDto): Promise<void> {
    return this.auth.changePassword(principal, dto);
  }
}
