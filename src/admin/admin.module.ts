import { Module } from '@nestjs/common';
import { TenancyModule } from '../tenancy/tenancy.module.js';
import { AdminController } from './admin.controller.js';

/** What the operator of the whole installation sees and does. */
@Module({ imports: [TenancyModule], controllers: [AdminController] })
export class AdminModule {}
