/**
 * The `code` that Node, its drivers and plugins put on their errors; empty when there is none.
 * It does not ask `instanceof Error`: an error of another realm, such as a test's sandbox, is none of ours.
 */
export function errorCode(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

export function errorMessage(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}
