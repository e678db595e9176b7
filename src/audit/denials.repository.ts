import { Injectable } from '@nestjs/common';
import type { SystemTx } from '../persistence/transactions.js';
import { INSTALLATION } from './audit-entry.js';
import type { CountedDenials } from './denial-groups.js';

/** Whose password somebody tried, or which route was closed. */
function rowOf({ tenantId, actorType, actorId, apiKeyId, accountId, route, code, requestId, ip, userAgent, count, firstAt }: CountedDenials): object {
  const target = accountId === null ? { target_type: 'route', target_id: null, target_name: route } : { target_type: 'user', target_id: accountId, target_name: null };
  return {
    tenant_id: tenantId, actor_type: actorType, actor_id: actorId, api_key_id: apiKeyId, action: route === SIGN_IN ? 'auth.login' : 'request.denied', ...target,
    request_id: requestId, ip, user_agent: userAgent, changes: { code, route, count, first_at: firstAt },
  };
}

export const SIGN_IN = 'POST /auth/login';

@Injectable()
export class DenialsRepository {
  /** Of tenants that are gone nothing is recorded any more. */
  async insert(tx: SystemTx, denials: readonly CountedDenials[]): Promise<void> {
    await tx.manager.query(
      `SELECT record_denials(jsonb_agg(denial)) FROM jsonb_array_elements($1::jsonb) AS denial
        WHERE denial ->> 'tenant_id' = $2 OR EXISTS (SELECT FROM tenants WHERE id = (denial ->> 'tenant_id')::uuid)`,
      [JSON.stringify(denials.map(rowOf)), INSTALLATION],
    );
  }
}
