import { types } from 'node:util';

// The native library has one error class; its text is the only difference. `isNativeError`, because its errors need
// not come from our realm.

/** A table, or a part of it, that has been dropped or was never there. */
export function isNotFound(error: unknown): boolean {
  return types.isNativeError(error) && /\bnot found\b/i.test(error.message);
}

/** Another writer was faster, so the same work can be done again on its result. */
export function isConflict(error: unknown): boolean {
  return types.isNativeError(error) && /commit conflict|concurrent|already exists/i.test(error.message);
}
