import { randomInt, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { errorCode } from '../common/error-code.js';
import { StartupError } from '../config/env.js';
import { requireSafeLogin, withClient, type ClientOptions, type SetupOptions } from './database-setup.js';

/** `protocol_violation` and `feature_not_supported`: what poolers say of a setting that a shared connection cannot have. */
const REFUSED_SETTING = /^(08P01|0A000)$/;

type Variable = NonNullable<ClientOptions['variable']>;

/**
 * Whether a connection keeps what it was opened with, as the queue's connections keep their role: a pooler in transaction mode refuses such
 * a setting or forgets it. It is tried instead of asking who answers, so a proxy that passes sessions on is none.
 */
async function keepsSessions(url: string, variable: Variable): Promise<boolean> {
  const mark = randomUUID();
  const readBack = async (client: pg.Client): Promise<boolean> => {
    const { rows } = await client.query<{ mark: string | null }>(`SELECT current_setting('morag.session', true) AS mark`);
    return rows[0]!.mark === mark;
  };
  try {
    return await withClient(url, readBack, { options: `-c morag.session=${mark}`, variable });
  } catch (error) {
    if (!REFUSED_SETTING.test(errorCode(error instanceof Error ? error.cause : undefined))) throw error;
    // Whoever lets nobody in at all has another reason.
    await withClient(url, () => Promise.resolve(), { variable });
    return false;
  }
}

/** Advisory locks are one database's own: what is locked by the one way is found locked by the other, or they lead to two databases. */
function leadToOneDatabase(url: string, directUrl: string): Promise<boolean> {
  const key = randomInt(2 ** 47);
  return withClient(directUrl, async (direct) => {
    await direct.query('BEGIN');
    await direct.query('SELECT pg_advisory_xact_lock($1)', [key]);
    return withClient(url, async (pooled) => {
      const { rows } = await pooled.query<{ is_free: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS is_free', [key]);
      return !rows[0]!.is_free;
    });
  });
}

/**
 * Refuses, before anything is done, addresses by which the server could only do a part of its work: without a session nothing is heard of what
 * other processes change, and the queue has no right to its own tables.
 * @throws StartupError
 */
export async function requireUsableAddresses(url: string, directUrl: string | undefined, options: SetupOptions): Promise<void> {
  if (directUrl === undefined) {
    if (await keepsSessions(url, 'DATABASE_URL')) return;
    throw new StartupError('DATABASE_URL leads to a connection pooler that keeps no sessions, such as PgBouncer in transaction mode. Set DATABASE_DIRECT_URL to the address of PostgreSQL itself, beside it.');
  }
  if (!(await keepsSessions(directUrl, 'DATABASE_DIRECT_URL'))) throw new StartupError('DATABASE_DIRECT_URL leads to a connection pooler that keeps no sessions. It must be the address of PostgreSQL itself.');
  await requireSafeLogin(url, options);
  if (!(await leadToOneDatabase(url, directUrl))) throw new StartupError('DATABASE_URL and DATABASE_DIRECT_URL lead to two different databases. They must be two ways to the same one.');
}
