import { SealBroken } from '../../common/sealer.js';
import { WebhookSecretUnreadable } from '../webhooks.errors.js';

/** @throws WebhookSecretUnreadable for whoever asked, when a secret was sealed with a key that is not configured */
export function translatingBrokenSeals<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof SealBroken) throw new WebhookSecretUnreadable({ cause: error });
    throw error;
  }
}
