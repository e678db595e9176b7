import { Injectable } from '@nestjs/common';
import pLimit from 'p-limit';
import type { Principal } from '../common/principal.js';
import type { ProblemDto } from '../common/problem.dto.js';
import { asPart, keepAnswer } from '../idempotency/claim.js';
import { Transactions } from '../persistence/transactions.js';
import type { DocumentBatchDto, DocumentBatchResultDto, DoneDto, NotDoneDto } from './dto/document-batch.dto.js';
import { DocumentLife } from './versions/document-life.service.js';

/** Each is a transaction, and all of them want the tenant's counters: more at once would only wait for each other. */
const AT_ONCE = 2;

/** Does the same to many documents, each as if it were the only one. */
@Injectable()
export class DocumentBatches {
  constructor(
    private readonly transactions: Transactions,
    private readonly life: DocumentLife,
  ) {}

  /** @param problemOf what an error would be on the wire */
  async run(principal: Principal, { document_ids: ids, operation }: DocumentBatchDto, problemOf: (error: unknown) => ProblemDto): Promise<DocumentBatchResultDto> {
    const turns = pLimit(AT_ONCE);
    const succeeded: DoneDto[] = [];
    const failed: NotDoneDto[] = [];
    const work = async (id: string): Promise<void> => {
      try {
        succeeded.push({ document_id: id, task_id: await this.operate(principal, id, operation) });
      } catch (error) {
        failed.push({ document_id: id, problem: problemOf(error) });
      }
    };
    await Promise.all(ids.map((id) => turns(() => work(id))));
    return this.transactions.forTenant(principal.tenantId, (tx) => keepAnswer(tx, { operation, succeeded, failed }));
  }

  private async operate(principal: Principal, id: string, operation: DocumentBatchDto['operation']): Promise<string | null> {
    // What was done before a crash is told once more, and not tried again.
    if (operation === 'reprocess') return (await asPart(id, () => this.life.reprocess(principal, id, {}))).task_id;
    await asPart(id, (): Promise<unknown> => (operation === 'delete' ? this.life.remove(principal, id) : this.life[operation](principal, id)));
    return null;
  }
}
