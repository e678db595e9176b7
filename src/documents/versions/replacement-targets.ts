import { Injectable } from '@nestjs/common';
import type { Principal } from '../../common/principal.js';
import type { DatabaseEntity } from '../../databases/database.entity.js';
import { DatabasesService, type DatabaseReference } from '../../databases/databases.service.js';
import type { TenantTx } from '../../persistence/transactions.js';
import type { DocumentEntity } from '../document.entity.js';
import { DocumentNotFound } from '../documents.errors.js';
import { DocumentsRepository } from '../documents.repository.js';

/** Where a file goes, and whether it may replace what is there. */
export interface ReplacementRequest extends DatabaseReference {
  replace_existing: boolean;
  /** Otherwise it is the one with the file's name. */
  document_id?: string;
}

export interface ReplacementTarget {
  database: DatabaseEntity;
  /** As it was read, without a lock. */
  replaced: DocumentEntity | null;
}

/** Finds what an upload replaces. */
@Injectable()
export class ReplacementTargets {
  constructor(
    private readonly documents: DocumentsRepository,
    private readonly databases: DatabasesService,
  ) {}

  /** @throws DatabaseNotFound; DocumentNotFound for a document that is named and not there, or in another database than the one that is named */
  async find(tx: TenantTx, principal: Principal, request: ReplacementRequest, name: string): Promise<ReplacementTarget> {
    if (request.document_id !== undefined) return this.findById(tx, principal, request, request.document_id);
    const database = await this.databases.resolve(tx, principal, request);
    return { database, replaced: request.replace_existing ? await this.documents.findByName(tx, database.id, name) : null };
  }

  /** As `find`, and of several at once with the same name one after the other: the second finds what the first made. */
  async findForUpdate(tx: TenantTx, principal: Principal, request: ReplacementRequest, name: string): Promise<ReplacementTarget> {
    if (!request.replace_existing || request.document_id !== undefined) return this.find(tx, principal, request, name);
    const database = await this.databases.resolve(tx, principal, request);
    await this.documents.lockName(tx, database.id, name);
    return { database, replaced: await this.documents.findByName(tx, database.id, name) };
  }

  private async findById(tx: TenantTx, principal: Principal, request: ReplacementRequest, documentId: string): Promise<ReplacementTarget> {
    const { document } = await this.documents.requireVisible(tx, documentId, principal.databaseIds);
    const isNamed = request.database_id !== undefined || request.database !== undefined;
    const database = await this.databases.resolve(tx, principal, isNamed ? request : { database_id: document.databaseId });
    if (database.id !== document.databaseId) throw new DocumentNotFound();
    return { database, replaced: document };
  }
}
