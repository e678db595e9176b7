import { z } from 'zod';

/** Goes up when an older restore could not read what is written. */
export const FORMAT = 1;
export const MANIFEST_FILE = 'manifest.json';

const count = z.number().int().min(0);
const stored = {
  /** Below the directory of the backup. */
  file: z.string().regex(/^(?:[\w-]+\/)?[\w-]+(?:\.[\w-]+)*$/),
  bytes: count,
  /** Of the file as it lies there. */
  sha256: z.string().regex(/^[\da-f]{64}$/),
};
const names = z.array(z.string().min(1));

/** What a backup is made of; written last, so that whatever has one is whole. */
export const manifestSchema = z.object({
  format: z.literal(FORMAT),
  server_version: z.string(),
  postgres_version: z.string(),
  /** The moment of which it is, by the database's clock. */
  taken_at: z.iso.datetime(),
  /** As PostgreSQL tells a snapshot: what had committed by then. */
  snapshot: z.string(),
  /** Names, in their order. */
  migrations: names.min(1),
  tables: z.array(z.object({ name: z.string(), columns: names, rows: count, ...stored })),
  /** Of the tables that lie in months, the first days of those that there are; older backups know of none. */
  months: z.record(z.string(), z.array(z.iso.date())).default({}),
  /** And why. */
  tables_left_out: z.record(z.string(), z.string()),
  sequences: z.array(z.object({ name: z.string(), lastValue: z.string().regex(/^-?\d+$/), isCalled: z.boolean() })),
  queue: z.object({ entries: count, ...stored }),
  collections: z.array(z.object({ name: z.string(), dimensions: count, distance: z.enum(['cosine', 'dot', 'euclidean']), points: count, ...stored })),
  /** Of documents; the list has the checksum of each. */
  files: z.object({ count, total_bytes: count, list: z.object(stored) }),
  /** Which keys seal what is stored: without them it stays sealed. Absent from the backup when they come from the environment. */
  sealing_key_ids: names,
  generated_secrets: z.object(stored).nullable(),
  /** What was missing already when the backup was made. */
  missing: z.object({ files: count, documents_with_other_vectors: count, examples: z.array(z.string()) }),
  /** Databases whose vectors are on servers of tenants. */
  databases_on_own_servers: count,
});

export type Manifest = z.infer<typeof manifestSchema>;
export type StoredFile = Manifest['files']['list'];

export const fileEntrySchema = z.object({
  /** As the store of files names it. */
  key: z.string().regex(/^[\w-]+\/[\w-]+(?:\.[\w-]+)*$/),
  bytes: count,
  sha256: stored.sha256,
});
export type FileEntry = z.infer<typeof fileEntrySchema>;
