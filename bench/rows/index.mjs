// Every row of the bench. A row is `{ name, title, run(world) }`; `run` answers findings: `{ measure, unit, floor, subject, ratio, expected }`.
import { authenticatedGetRows } from './authenticated-get.mjs';
import { collectionsRows } from './collections.mjs';
import { floorRows } from './floors.mjs';
import { ingestionRows } from './ingestion.mjs';
import { quotasRows } from './quotas.mjs';
import { scaleOutRows } from './scale-out.mjs';
import { searchRows } from './search.mjs';
import { storedKeysRows } from './stored-keys.mjs';

export const ROWS = [...floorRows, ...authenticatedGetRows, ...storedKeysRows, ...quotasRows, ...ingestionRows, ...searchRows, ...collectionsRows, ...scaleOutRows];
