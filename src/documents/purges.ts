/** What waits to be removed. */
export interface Purges {
  documents: number;
  /** When the one that waits longest was deleted. */
  oldestAt: Date | null;
}
