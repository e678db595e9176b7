import { setTimeout as delay } from 'node:timers/promises';

const HOUR_MS = 3_600_000;

/** Waits where the clock hour ends sooner than that: behind its edge a window that was just filled has room again. */
export async function staysWithinTheHour(ms: number): Promise<void> {
  const leftMs = HOUR_MS - (Date.now() % HOUR_MS);
  if (leftMs < ms) await delay(leftMs + 1);
}
