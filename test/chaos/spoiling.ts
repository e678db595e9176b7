import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { connect } from '@lancedb/lancedb';
import { audit } from './invariants.js';
import type { World } from './world.js';

/** An audit that finds nothing proves something only if it would find this. @returns what it did not find */
export async function auditOfSpoiled(world: World): Promise<string[]> {
  const blobs = path.join(world.dataDir, 'blobs');
  const [lost, unfiled, doubled, unchunked, undone] = await world.query<{ tenant_id: string; id: string; blob_key: string; collection_name: string }>(
    `SELECT o.tenant_id, o.id, o.blob_key, d.collection_name FROM documents o JOIN databases d ON d.tenant_id = o.tenant_id AND d.id = o.database_id WHERE o.state = 'INGESTED' ORDER BY o.id DESC LIMIT 5`,
  );
  await world.query('DELETE FROM documents WHERE id = $1', [lost!.id]);
  await rm(path.join(blobs, unfiled!.blob_key));
  await writeFile(path.join(blobs, unfiled!.tenant_id, 'stray'), 'Nobody sent this.');
  await world.query('DELETE FROM document_chunks WHERE document_id = $1 AND index = 0', [unchunked!.id]);
  await world.query(`UPDATE documents SET state = 'INGESTING' WHERE id = $1`, [undone!.id]);
  const store = await connect(world.vectors);
  const table = await store.openTable(doubled!.collection_name);
  const points = await table.query().where(`document_id = '${doubled!.id}'`).toArrow();
  await table.add(points);
  store.close();

  const found = await audit(world);
  const expected = [
    `was acknowledged as ${lost!.id}, and is gone`,
    `vectors of document ${lost!.id}, which does not exist`,
    `is charged`,
    `counters that drifted`,
    `the file of document ${unfiled!.id} is gone`,
    `stray belongs to nothing`,
    `document ${unchunked!.id} has`,
    `document ${doubled!.id} (INGESTED) has`,
    `which is INGESTING`,
    `a search for`,
  ];
  return expected.filter((line) => !found.some((violation) => violation.includes(line)));
}
