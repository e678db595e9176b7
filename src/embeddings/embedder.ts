/** `hash` needs nothing; `openai` is any endpoint that speaks as OpenAI's; `onnx` a model in files of the operator's. */
export const EMBEDDING_PROVIDERS = ['hash', 'openai', 'onnx'] as const;
export type EmbeddingProvider = (typeof EMBEDDING_PROVIDERS)[number];

/**
 * Turns text into vectors; its own injection token. One instance means one model, so vectors of two instances with a
 * different `model` or `dimensions` must never meet in one collection.
 */
export abstract class Embedder {
  abstract readonly provider: EmbeddingProvider;
  /** Stored beside each database; a change of it calls for a reindex. */
  abstract readonly model: string;
  abstract readonly dimensions: number;
  /** What lies beyond it may be ignored or refused by the model. */
  abstract readonly maxInputTokens: number;
  /** Whether asking twice costs nothing but a moment. */
  readonly isLocal: boolean = false;

  /**
   * @param note is told what each part cost once it is done: also of a call that fails with a later part
   * @returns one finite, non-zero vector of `dimensions` a text, in the order of `texts`
   * @throws EmbeddingFailed; the signal's reason when that is aborted
   */
  abstract embedDocuments(texts: string[], signal?: AbortSignal, note?: NoteEmbedded): Promise<Float32Array[]>;

  /** As `embedDocuments`, for models that embed a question differently from a passage. */
  abstract embedQuery(text: string, signal?: AbortSignal, note?: NoteEmbedded): Promise<Float32Array>;
}

export interface EmbeddedAmount {
  texts: number;
  /** As the provider counted them, else `estimateTokens`. */
  tokens: number;
}

export type NoteEmbedded = (amount: EmbeddedAmount) => void;

/** For models whose tokenizer is not at hand; rather too many, except for text in rare scripts. */
export const estimateTokens = (text: string): number => Math.ceil(Buffer.byteLength(text) / 3);

export const estimateAmount = (texts: readonly string[]): EmbeddedAmount => ({ texts: texts.length, tokens: texts.reduce((sum, text) => sum + estimateTokens(text), 0) });

export type EmbeddingFailureCode =
  | 'not_allowed'
  | 'unauthorized'
  | 'rejected'
  | 'rate_limited'
  | 'timeout'
  | 'unavailable'
  | 'invalid_response'
  | 'dimension_mismatch'
  | 'model_changed';

/** Says whether asking again can help, so that a job knows whether to retry; the provider's own words are in `cause`. */
export class EmbeddingFailed extends Error {
  constructor(
    readonly code: EmbeddingFailureCode,
    readonly permanent: boolean,
    message: string,
    cause?: unknown,
    /** The provider's own word for how long to leave it alone. */
    readonly retryAfterSeconds?: number,
  ) {
    super(message, { cause });
    this.name = new.target.name;
  }
}

/** A model that answers in another size than configured would fill a collection with vectors nobody can search. */
export class EmbeddingDimensionMismatch extends EmbeddingFailed {
  constructor(
    readonly expected: number,
    readonly actual: number,
  ) {
    super('dimension_mismatch', true, `The embedding model answered with ${actual} dimensions, ${expected} are configured.`);
  }
}
