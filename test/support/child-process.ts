import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Resolves when it is gone; at once when it was. */
export async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'close');
}
