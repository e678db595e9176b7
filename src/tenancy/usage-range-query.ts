import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsDate, IsIn } from 'class-validator';
import { DateFromText, Omittable } from '../common/validation.js';
import { GRANULARITIES, type Granularity } from './usage-range.js';

/** What every report on usage may be asked; each module's own query extends it. */
export class UsageRangeQuery {
  @ApiPropertyOptional({ type: String, format: 'date-time', description: 'Default: 30 days before `to`. With `hour` at most 35 days ago, with `day` 400.' })
  @Omittable()
  @DateFromText()
  @IsDate({ message: 'from must be a time as in ISO 8601' })
  from?: Date;

  @ApiPropertyOptional({ type: String, format: 'date-time', description: 'Default: now.' })
  @Omittable()
  @DateFromText()
  @IsDate({ message: 'to must be a time as in ISO 8601' })
  to?: Date;

  @ApiPropertyOptional({
    enum: GRANULARITIES,
    default: 'day',
    description: 'Whole hours or whole UTC days: what `from` and `to` lie in counts whole. At most 31 days by hours, 400 by days.',
  })
  @Omittable()
  @IsIn(GRANULARITIES)
  granularity: Granularity = 'day';
}
