import { Injectable } from '@nestjs/common';
import { Transactions } from '../persistence/transactions.js';
import { AuditChainRepository, type ChainPosition } from './audit-chain.repository.js';
import { INSTALLATION } from './audit-entry.js';
import { detailsDigestOf, hashOf, NO_HASH, type LinkedEntry } from './audit-hash.js';

const READ_AT_ONCE = 1000;
/** With which what can be erased may be. */
const ENDS = ['tenant.purge_requested', 'tenant.purged'];

/** The last link of a chain at some time: keep it elsewhere, and whoever changes anything before it can be told. */
export interface ChainHead {
  sequence: number;
  /** Hexadecimal. */
  hash: string;
}

export interface ChainReport {
  tenantId: string;
  /** Entries that were looked at and found right. */
  entries: number;
  /** Of those, how many have no details any more. */
  erased: number;
  head: ChainHead | null;
  /** What is wrong with the first row that is; null when all is well. */
  problem: string | null;
}

/** What has been found of one chain so far. */
interface Walk {
  at: ChainPosition;
  entries: number;
  erased: number;
  firstErased: string | null;
  hasEnded: boolean;
  anchor: ChainHead | null;
}

const headOf = ({ sequence, hash }: ChainPosition): ChainHead | null => (sequence === '0' ? null : { sequence: Number(sequence), hash: hash.toString('hex') });

/**
 * Recomputes the chains from what the entries say, by its own means and not the database's. It finds what was altered, removed, inserted or
 * moved; that somebody with the owner's rights cut off the end of a chain, or made it anew, only with a head that was kept elsewhere.
 */
@Injectable()
export class AuditVerification {
  constructor(
    private readonly transactions: Transactions,
    private readonly chains: AuditChainRepository,
  ) {}

  /** Every chain, or one, in the order of the tenants' ids. @param anchors heads of an earlier time by tenant */
  async *verify(tenantId: string | undefined, anchors: ReadonlyMap<string, ChainHead>): AsyncGenerator<ChainReport> {
    if (tenantId !== undefined) {
      yield await this.verifyChain(tenantId, anchors.get(tenantId) ?? null);
      return;
    }
    const missing = new Map(anchors);
    for (let id: string | null = INSTALLATION; id !== null; id = await this.next(id)) {
      missing.delete(id);
      const report = await this.verifyChain(id, anchors.get(id) ?? null);
      // The installation's own may not have begun.
      if (report.head ?? report.problem) yield report;
    }
    for (const [id, anchor] of missing) yield { tenantId: id, entries: 0, erased: 0, head: null, problem: `the whole chain is missing, which had ${anchor.sequence} links` };
  }

  private next(tenantId: string): Promise<string | null> {
    return this.transactions.forSystem((tx) => this.chains.nextTenant(tx, tenantId));
  }

  private async verifyChain(tenantId: string, anchor: ChainHead | null): Promise<ChainReport> {
    const start = await this.checkpoint(tenantId);
    const walk: Walk = { at: start ?? { sequence: '0', hash: NO_HASH }, entries: 0, erased: 0, firstErased: null, hasEnded: false, anchor };
    const problem = (await this.walkThrough(tenantId, walk)) ?? endOf(walk) ?? (await this.lookForInserted(tenantId));
    return { tenantId, entries: walk.entries, erased: walk.erased, head: headOf(walk.at), problem };
  }

  private async walkThrough(tenantId: string, walk: Walk): Promise<string | null> {
    if (walk.anchor?.sequence === Number(walk.at.sequence) && walk.anchor.hash !== walk.at.hash.toString('hex')) return 'the checkpoint is not the link that was anchored';
    for (;;) {
      const links = await this.transactions.forSystem((tx) => this.chains.listLinks(tx, tenantId, walk.at.sequence, READ_AT_ONCE));
      for (const link of links) {
        const expected = String(BigInt(walk.at.sequence) + 1n);
        if (link.sequence !== expected) {
          // What is old may have been removed just now: the chain then begins later, behind a checkpoint.
          const start = await this.checkpoint(tenantId);
          if (!start || BigInt(start.sequence) < BigInt(expected)) return `link ${expected} is missing`;
          walk.at = start;
          break;
        }
        const problem = problemOf(walk.at.hash, link, walk);
        if (problem !== null) return problem;
        walk.at = link;
        if (walk.anchor?.sequence === Number(link.sequence) && walk.anchor.hash !== link.hash.toString('hex')) return `link ${link.sequence} is not the one that was anchored: the chain was made anew`;
      }
      if (links.length === 0) return null;
    }
  }

  private async lookForInserted(tenantId: string): Promise<string | null> {
    const id = await this.transactions.forSystem((tx) => this.chains.findUnlinked(tx, tenantId));
    return id === null ? null : `entry ${id} was inserted: no link names it`;
  }

  private checkpoint(tenantId: string): Promise<ChainPosition | null> {
    return this.transactions.forSystem((tx) => this.chains.findCheckpoint(tx, tenantId));
  }
}

function problemOf(previous: Buffer, link: LinkedEntry, walk: Walk): string | null {
  const { entry, entryId, sequence } = link;
  if (!entry) return `entry ${entryId} (link ${sequence}) is missing`;
  if (!hashOf(previous, link, entry).equals(link.hash)) return `entry ${entryId} (link ${sequence}) was altered, or is not in its place`;
  if (entry.salt === null) {
    if ([entry.targetName, entry.ip, entry.userAgent, entry.changes].some((detail) => detail !== null)) return `the details of entry ${entryId} (link ${sequence}) were altered`;
    walk.erased++;
    walk.firstErased ??= `entry ${entryId} (link ${sequence})`;
  } else if (!detailsDigestOf(entry).equals(link.detailsDigest)) return `the details of entry ${entryId} (link ${sequence}) were altered`;
  walk.entries++;
  walk.hasEnded ||= ENDS.includes(entry.action);
  return null;
}

/** What only shows once the last link has been seen. */
function endOf({ anchor, at, firstErased, hasEnded }: Walk): string | null {
  if (anchor && Number(at.sequence) < anchor.sequence) return `link ${Number(at.sequence) + 1} is missing: the chain ends before the ${anchor.sequence} links that were anchored`;
  return firstErased !== null && !hasEnded ? `the details of ${firstErased} were erased, and no purge of the tenant was requested` : null;
}
