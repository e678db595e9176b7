/** What waits to be removed. */
export interface Purges {
  /** Those that are to go with everything they have. */
  tenants: number;
  documents: number;
  /** When the one that waits longest was deleted. */
  oldestAt: Date | null;
}
