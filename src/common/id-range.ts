/** By how much the clock of a process may differ from the database's. */
const CLOCKS_DIFFER_MS = 3_600_000;
const LAST_MS = 2 ** 48 - 1;

/** The smallest UUIDv7 that can be made at a time; RFC 9562, section 5.7: the first 48 bits are milliseconds. */
export function firstIdAt(timeMs: number): string {
  const time = Math.min(Math.max(timeMs, 0), LAST_MS).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`;
}

/** Between which ids (the second one excluded) all lie that were given out between two times; wider than that, so the times have to be compared as well. */
export function idsMadeWithin(after: Date | undefined, before: Date | undefined): { from?: string; to?: string } {
  return {
    from: after && firstIdAt(after.getTime() - CLOCKS_DIFFER_MS),
    to: before && firstIdAt(before.getTime() + CLOCKS_DIFFER_MS),
  };
}
