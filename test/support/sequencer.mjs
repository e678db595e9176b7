// A fresh clone knows of no durations, and jest then begins with the largest files: what takes a minute could begin last, and end alone.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import Sequencer from '@jest/test-sequencer';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Whatever takes more than half a minute by itself, the longest first. */
const LONGEST = [
  'test/chaos/crashes.e2e-spec.ts',
  'test/documents/versions.e2e-spec.ts',
  'test/process/backup.e2e-spec.ts',
  'test/documents/ingestion.e2e-spec.ts',
  'test/process/embedded-database.e2e-spec.ts',
  'test/process/swagger-ui.e2e-spec.ts',
  'test/admin/tenant-purge.e2e-spec.ts',
  'test/tenancy/quotas-over-processes.e2e-spec.ts',
  'test/process/roles.e2e-spec.ts',
  'test/tenancy/isolation.e2e-spec.ts',
  'test/webhooks/deliveries.e2e-spec.ts',
  'test/databases/reindex.e2e-spec.ts',
  'test/hardening/fuzz.e2e-spec.ts',
  'test/databases/database-servers.e2e-spec.ts',
  'src/documents/ingestion/extraction.shared-fixtures.spec.ts',
  'test/process/wrong-settings.e2e-spec.ts',
  'test/process/start-up.e2e-spec.ts',
  'test/databases/pgvector.contract.spec.ts',
].map((file) => path.join(root, file));

for (const file of LONGEST) if (!existsSync(file)) throw new Error(`test/support/sequencer.mjs names ${file}, which is not there`);

/** Their place in the list, and after all of them whatever else there is. */
const rankOf = ({ path: file }) => (LONGEST.includes(file) ? LONGEST.indexOf(file) : LONGEST.length);

class LongestFirst extends Sequencer {
  sort(tests) {
    return super.sort(tests).toSorted((a, b) => rankOf(a) - rankOf(b));
  }
}

export { LongestFirst as default };
