import { Body, Controller, Get, HttpCode, Ip, Post, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, OpenToPeopleAlways, Public, RequirePermission, type Principal } from '../common/principal.js';
import { UpdateUserDto, UpdateUserSettingsDto, UserDto, UserSettingsDto } from '../users/dto/user.dto.js';
import { UsersService } from '../users/users.service.js';
import { AccountService } from './account.service.js';
import { ChangePasswordDto, LoginDto, LoginResultDto, LogoutDto, MeDto, RefreshDto, RegisterDto } from './dto/auth.dto.js';
import { RegistrationService } from './registration.service.js';
import { SignInService } from './sign-in.service.js';

@ApiTags('Authentication')
@Controller('auth')
export class AuthController {
  constructor(
    private readonly registration: RegistrationService,
    private readonly signIn: SignInService,
    private readonly account: AccountService,
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
  login(@Body() dto: LoginDto, @Ip() address: string): Promise<LoginResultDto> {
    return this.signIn.login(dto, address);
  }

  /** Trades a refresh token for new tokens. One that was used before ends its session: somebody else has it, too. */
  @Post('refresh')
  @HttpCode(200)
  @Public()
  refresh(@Body() dto: RefreshDto): Promise<LoginResultDto> {
    return this.signIn.refresh(dto);
  }

  /** Ends this session, or all of them. */
  @Post('logout')
  @OpenToPeopleAlways()
  @HttpCode(204)
  @RequirePermission('session')
  logout(@CurrentPrincipal() principal: Principal, @Body() dto: LogoutDto): Promise<void> {
    return this.signIn.logout(principal, dto);
  }

  /** Whose credential this is; an API key also sees itself in `api_key`. */
  @Get('me')
  @RequirePermission('authenticated')
  me(@CurrentPrincipal() principal: Principal): Promise<MeDto> {
    return this.account.me(principal);
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
  @OpenToPeopleAlways()
  @HttpCode(204)
  @RequirePermission('session')
  changePassword(@CurrentPrincipal() principal: Principal, @Body() dto: ChangePasswordDto): Promise<void> {
    return this.account.changePassword(principal, dto);
  }
}
