export type VectorServerFailureCode = 'refused' | 'timeout' | 'unauthorized' | 'wrong_version' | 'tls' | 'not_allowed' | 'unexpected';

/** Why a vector database server could not be used. */
export class VectorServerFailure extends Error {
  override readonly name = 'VectorServerFailure';

  constructor(
    readonly code: VectorServerFailureCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
