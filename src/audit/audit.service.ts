import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { Cursors, pageOf } from '../common/pagination.js';
import type { Principal, Readmission } from '../common/principal.js';
import { Transactions, type AnyTx } from '../persistence/transactions.js';
import type { AuditEntry, AuditFilter } from './audit-entry.js';
import { AuditRepository } from './audit.repository.js';
import {
  AnyAuditEntryDto, AuditEntryDto, filterOf, type AnyAuditListDto, type AuditListDto, type ExportAnyAuditQueryDto, type ExportAuditQueryDto, type ListAnyAuditQueryDto, type ListAuditQueryDto,
} from './dto/audit.dto.js';

/** Entries in one piece of an export, each read in a transaction of its own. */
const EXPORTED_AT_ONCE = 500;

/** How entries are reached: as a tenant, or as the system. */
type Transact = <T>(work: (tx: AnyTx) => Promise<T>) => Promise<T>;

/** A key that is bound to databases sees what was done with itself: an entry does not say which databases it concerns. */
function ofTenant({ tenantId, apiKeyId, databaseIds }: Principal, query: ExportAuditQueryDto): AuditFilter {
  return { ...filterOf(query), tenantId, ...(databaseIds && apiKeyId !== null ? { onlyOfKey: apiKeyId } : {}) };
}

/** Reads the audit: of a tenant for itself, and of everybody for the administrator. */
@Injectable()
export class AuditService {
  private readonly asSystem: Transact = (work) => this.transactions.forSystem(work);

  constructor(
    private readonly transactions: Transactions,
    private readonly entries: AuditRepository,
    private readonly cursors: Cursors,
  ) {}

  list(principal: Principal, query: ListAuditQueryDto): Promise<AuditListDto> {
    return this.readPage(this.as(principal), ofTenant(principal, query), query, (entry) => AuditEntryDto.from(entry));
  }

  listOfAll(query: ListAnyAuditQueryDto): Promise<AnyAuditListDto> {
    return this.readPage(this.asSystem, filterOf(query), query, (entry) => AnyAuditEntryDto.ofAnyTenant(entry));
  }

  /** As one line of JSON each, newest first, read as fast as somebody takes them. */
  export(principal: Principal, query: ExportAuditQueryDto, readmit: Readmission): Promise<Readable> {
    return this.stream(this.as(principal), ofTenant(principal, query), readmit, (entry) => AuditEntryDto.from(entry));
  }

  exportOfAll(query: ExportAnyAuditQueryDto, readmit: Readmission): Promise<Readable> {
    return this.stream(this.asSystem, filterOf(query), readmit, (entry) => AnyAuditEntryDto.ofAnyTenant(entry));
  }

  private as({ tenantId }: Principal): Transact {
    return (work) => this.transactions.forTenantReading(tenantId, work);
  }

  private async readPage<Dto extends { id: string }>(transact: Transact, filter: AuditFilter, query: ListAuditQueryDto, dtoOf: (entry: AuditEntry) => Dto) {
    const scope = `audit ${JSON.stringify(filter)}`;
    const before = this.cursors.decode(query.cursor, scope);
    const { rows, counted } = await transact(async (tx) => ({
      rows: await this.entries.listNewestFirst(tx, filter, { limit: query.limit + 1, before }),
      counted: query.include_total ? { total: await this.entries.count(tx, filter) } : {},
    }));
    const page = pageOf(rows.map(dtoOf), query.limit);
    return { entries: page.rows, ...counted, ...this.cursors.pageInfo(page, query.limit, scope) };
  }

  /** The first piece before the answer begins, so that what fails at once is answered as an error. */
  private async stream(transact: Transact, filter: AuditFilter, readmit: Readmission, dtoOf: (entry: AuditEntry) => AuditEntryDto): Promise<Readable> {
    const read = (before: string | null): Promise<AuditEntry[]> => transact((tx) => this.entries.listNewestFirst(tx, filter, { limit: EXPORTED_AT_ONCE, before }));
    const first = await read(null);
    async function* lines(): AsyncGenerator<Buffer> {
      let page = first;
      while (page.length > 0) {
        yield Buffer.from(page.map((entry) => `${JSON.stringify(dtoOf(entry))}\n`).join(''));
        if (page.length < EXPORTED_AT_ONCE) return;
        // It may take long, and whoever lost the right meanwhile gets no more.
        await readmit();
        page = await read(page.at(-1)!.id);
      }
    }
    return Readable.from(lines(), { objectMode: false });
  }
}
