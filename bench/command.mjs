// How the commands of the bench begin, and how they end when they fail.
import { newEnoughNode } from '../scripts/node24.mjs';

export async function runCommand(main) {
  await newEnoughNode();
  try {
    await main();
  } catch (error) {
    console.error(`The bench failed: ${error instanceof Error ? error.stack : String(error)}`);
    process.exitCode = 1;
  }
}
