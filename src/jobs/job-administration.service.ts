import { Injectable } from '@nestjs/common';
import { Cursors, pageOf } from '../common/pagination.js';
import { Transactions } from '../persistence/transactions.js';
import { AnyJobDto, type AnyJobListDto, type ListAnyJobsQueryDto } from './dto/any-job.dto.js';
import { JobsRepository, type AnyJobFilter } from './jobs.repository.js';

/** The jobs of all tenants, as the administrator watches them. */
@Injectable()
export class JobAdministration {
  constructor(
    private readonly transactions: Transactions,
    private readonly jobs: JobsRepository,
    private readonly cursors: Cursors,
  ) {}

  async list(query: ListAnyJobsQueryDto): Promise<AnyJobListDto> {
    const { status, type, tenant_id, document_id, created_after, created_before } = query;
    const filter: AnyJobFilter = { status, type, tenantId: tenant_id, documentId: document_id, createdAfter: created_after, createdBefore: created_before };
    const scope = `jobs of all tenants ${JSON.stringify(filter)}`;
    const before = this.cursors.decode(query.cursor, scope);
    const { rows, counted } = await this.transactions.forSystem(async (tx) => ({
      rows: await this.jobs.listOfAnyTenant(tx, filter, { limit: query.limit + 1, before }),
      counted: query.include_total ? { total: await this.jobs.countOfAnyTenant(tx, filter) } : {},
    }));
    const page = pageOf(
      rows.map((row) => AnyJobDto.ofAnyTenant(row)),
      query.limit,
    );
    return { jobs: page.rows, ...counted, ...this.cursors.pageInfo(page, query.limit, scope) };
  }
}
