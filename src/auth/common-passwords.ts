import { CommonPassword } from './auth.errors.js';

let known: Promise<ReadonlySet<string>> | undefined;

/** Loaded on first use: the list takes longer to unpack than a start may take, and most requests never need it. */
async function load(): Promise<ReadonlySet<string>> {
  const { dictionary } = await import('@zxcvbn-ts/language-common');
  return new Set(dictionary['passwords-common']);
}

/**
 * Refuses what an attacker tries first (NIST SP 800-63B, 5.1.1.2), in any case of letters.
 * @param field the name on the wire, for the error
 * @throws CommonPassword
 */
export async function refuseCommonPassword(password: string, field: string): Promise<void> {
  known ??= load();
  if ((await known).has(password.toLowerCase())) throw new CommonPassword(field);
}
