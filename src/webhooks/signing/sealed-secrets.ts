import type { Sealer } from '../../common/sealer.js';
import { newSecret } from './signature.js';

/** What signs for a row, sealed: its secret, and the one before for as long as that is good. */
export interface SealedSecrets {
  secret: Buffer;
  previousSecret: Buffer | null;
  previousSecretUntil: Date | null;
}

/** A secret in plain text, to be shown once, and what is stored of it. */
export interface Minted {
  shown: string;
  sealed: SealedSecrets;
}

/** Where a row keeps them, such as `webhooks/{id}`: no sealed secret opens in another place. */
export type SecretsPlace = `webhooks/${string}` | `webhook_signing_secrets/${string}`;

export function minted(sealer: Sealer, place: SecretsPlace): Minted {
  const shown = newSecret();
  return { shown, sealed: { secret: sealer.seal(shown, `${place}/secret`), previousSecret: null, previousSecretUntil: null } };
}

/** A new secret beside the present one, which signs as well until the grace ends. @throws SealBroken */
export function rotated(sealer: Sealer, place: SecretsPlace, { secret }: SealedSecrets, graceSeconds: number): Minted {
  const next = minted(sealer, place);
  if (graceSeconds === 0) return next;
  const previousSecret = sealer.seal(sealer.open(secret, `${place}/secret`), `${place}/previous_secret`);
  return { ...next, sealed: { ...next.sealed, previousSecret, previousSecretUntil: new Date(Date.now() + graceSeconds * 1000) } };
}

/** Those that sign now, the newest first. @throws SealBroken */
export function opened(sealer: Sealer, place: SecretsPlace, { secret, previousSecret, previousSecretUntil }: SealedSecrets): string[] {
  const current = sealer.open(secret, `${place}/secret`);
  if (!previousSecret || !previousSecretUntil || previousSecretUntil <= new Date()) return [current];
  return [current, sealer.open(previousSecret, `${place}/previous_secret`)];
}
