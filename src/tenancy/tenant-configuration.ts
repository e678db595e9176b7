/** The names of the types that a document can have, as `documents` knows them. */
export const FILE_TYPES = ['pdf', 'docx', 'pptx', 'xlsx', 'html', 'md', 'txt', 'csv', 'tsv', 'json', 'jsonl', 'epub', 'odt', 'rtf', 'audio', 'video', 'image'] as const;
export type FileType = (typeof FILE_TYPES)[number];

/** `*` is every type that can be read. */
export const ALLOWED_FILE_TYPES = ['*', ...FILE_TYPES] as const;
export type AllowedFileType = (typeof ALLOWED_FILE_TYPES)[number];

/** What a tenant may set, whole. */
export interface TenantConfiguration {
  defaultDatabaseId: string | null;
  allowedFileTypes: AllowedFileType[];
  /** Null is the server's own limit. */
  maxFileSizeMb: number | null;
  defaultChunkSize: number;
  defaultChunkOverlap: number;
  enableRemoteProcessing: boolean;
  enableWebhooks: boolean;
  customSettings: object;
}

/** Only what was set, as it is stored: a default that changes some day then changes for all who never chose. */
export type StoredConfiguration = Partial<TenantConfiguration>;

const DEFAULTS: TenantConfiguration = {
  defaultDatabaseId: null,
  allowedFileTypes: ['*'],
  maxFileSizeMb: null,
  defaultChunkSize: 2000,
  defaultChunkOverlap: 200,
  enableRemoteProcessing: false,
  enableWebhooks: true,
  customSettings: {},
};

export function wholeOf(stored: StoredConfiguration): TenantConfiguration {
  return { ...DEFAULTS, ...stored };
}

/** By field: undefined leaves it as it is, null takes it back to its default. */
export type ConfigurationChange = { [Field in keyof TenantConfiguration]?: TenantConfiguration[Field] | null | undefined };

export function changed(stored: StoredConfiguration, change: ConfigurationChange): StoredConfiguration {
  const named = Object.entries(change).filter(([, value]) => value !== undefined);
  return Object.fromEntries(Object.entries({ ...stored, ...Object.fromEntries(named) }).filter(([, value]) => value !== null)) as StoredConfiguration;
}
