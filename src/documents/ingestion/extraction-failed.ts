/** Stable codes; they end up in a document's `processing_error.code`. */
export const EXTRACTION_FAILURE_CODES = [
  'no_text',
  'corrupt_file',
  'encrypted_file',
  'archive_limits',
  'parse_timeout',
  'type_mismatch',
  'unsupported_type',
  'empty_file',
  'out_of_memory',
  'extraction_crashed',
] as const;

export type ExtractionFailureCode = (typeof EXTRACTION_FAILURE_CODES)[number];

/** Says that one file cannot become text; the job records it on the document instead of failing as a program would. */
export class ExtractionFailed extends Error {
  /** `false`: the same bytes may succeed on another try (the machine failed, not the file). */
  readonly permanent: boolean;

  constructor(
    readonly code: ExtractionFailureCode,
    message: string,
    options: { permanent?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ExtractionFailed';
    this.permanent = options.permanent ?? true;
  }
}
