import type { VectorPoint } from '../databases/vector-stores/vector-store.js';
import type { NeededVersions } from './snapshot-contents.js';

/** Picks out of a collection what the rows of the snapshot need, and counts what of it they expect. */
export class NeededPoints {
  private kept = 0;
  private readonly served = new Map<string, number>();

  constructor(
    private readonly tenantId: string,
    private readonly versions: ReadonlyMap<string, NeededVersions>,
  ) {}

  get count(): number {
    return this.kept;
  }

  async *of(pages: AsyncIterable<VectorPoint[]>): AsyncGenerator<VectorPoint[]> {
    for await (const page of pages) {
      const points = page.filter(({ tenantId, documentId, version }) => tenantId === this.tenantId && this.versions.get(documentId)?.versions.includes(version));
      for (const { documentId, version } of points) {
        if (version === this.versions.get(documentId)!.versions[0]) this.served.set(documentId, (this.served.get(documentId) ?? 0) + 1);
      }
      this.kept += points.length;
      yield points;
    }
  }

  /** Documents that have not the points that their readers expect: more, for a moment, while a worker adds them a second time; or other ones for good. */
  differing(): { documentId: string; hasMore: boolean }[] {
    return [...this.versions].flatMap(([documentId, { servedPoints }]) => {
      const counted = this.served.get(documentId) ?? 0;
      return servedPoints === null || counted === servedPoints ? [] : [{ documentId, hasMore: counted > servedPoints }];
    });
  }
}
