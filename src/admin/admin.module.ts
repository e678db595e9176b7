import { Module } from '@nestjs/common';
import { TenancyModule } from '../tenancy/tenancy.module.js';
import { UsersModule } from '../users/users.module.js';
import { AdminJobsController } from './admin-jobs.controller.js';
import { AdminTenantsController } from './admin-tenants.controller.js';
import { AdminUsersController } from './admin-users.controller.js';

/** What the operator of the whole installation sees and does. */
@Module({ imports: [TenancyModule, UsersModule], controllers: [AdminJobsController, AdminTenantsController, AdminUsersController] })
export class AdminModule {}
