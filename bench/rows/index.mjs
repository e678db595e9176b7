// Every row of the bench. A row is `{ name, title, run(world), isSlow }`, left out unless it is asked for when it is slow; `run` answers findings: `{ measure, unit, floor, subject, ratio, expected }`.
import { authenticatedGetRows } from './authenticated-get.mjs';
import { collectionsRows } from './collections.mjs';
import { documentRows } from './documents.mjs';
import { floorRows } from './floors.mjs';
import { ingestionRows } from './ingestion.mjs';
import { installSizeRows } from './install-size.mjs';
import { keyVerificationRows } from './key-verification.mjs';
import { memoryRows } from './memory.mjs';
import { quotasRows } from './quotas.mjs';
import { scaleOutRows } from './scale-out.mjs';
import { searchRows } from './search.mjs';
import { startUpRows } from './start-up.mjs';
import { storedKeysRows } from './stored-keys.mjs';
import { uploadRows } from './uploads.mjs';

// What is at rest comes first: nothing has been asked of it yet.
export const ROWS = [
  ...installSizeRows, ...startUpRows, ...memoryRows,
  ...floorRows, ...authenticatedGetRows, ...storedKeysRows, ...keyVerificationRows, ...documentRows, ...uploadRows,
  ...quotasRows, ...ingestionRows, ...searchRows, ...collectionsRows, ...scaleOutRows,
];
