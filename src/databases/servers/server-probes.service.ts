import { Injectable, Logger } from '@nestjs/common';
import { TimedOut, within } from '../../common/within.js';
import { Outbound } from '../../outbound/outbound.js';
import { UrlNotAllowed } from '../../outbound/outbound.errors.js';
import { DatabaseServerSecretUnreadable } from './database-servers.errors.js';
import { targetOf } from './server-settings.js';
import { openStore } from '../vector-stores/open-store.js';
import { portOf, type ServerConnection } from '../vector-stores/server-connection.js';
import { VectorServerFailure } from '../vector-stores/remote-failure.js';
import { VectorStore } from '../vector-stores/vector-store.js';

export const SERVER_FAILURES = ['refused', 'timeout', 'unauthorized', 'wrong_version', 'tls', 'not_allowed', 'secret_unreadable', 'unexpected'] as const;
export type ServerFailureCode = (typeof SERVER_FAILURES)[number];

/** Why a server could not be used, for people; nothing that it said is in it but its version. */
export interface ServerFailure {
  code: ServerFailureCode;
  message: string;
}

/** What came of asking a server. */
export interface ProbeResult {
  milliseconds: number;
  /** null when it was not reached, or says none. */
  version: string | null;
  /** null when it can be used. */
  failure: ServerFailure | null;
}

const PATIENCE_SECONDS = 5;
/** Far more than a server needs to say who it is. */
const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_MESSAGE = 300;

/** The same for a blocked address as for one that cannot be found. */
const NOT_ALLOWED = new UrlNotAllowed().message;

/** Asks vector database servers whether they can be used. */
@Injectable()
export class ServerProbes {
  private readonly logger = new Logger(ServerProbes.name);

  constructor(
    private readonly embedded: VectorStore,
    private readonly outbound: Outbound,
  ) {}

  /** @param connect throws DatabaseServerSecretUnreadable when a secret cannot be read */
  async ask(connect: () => ServerConnection): Promise<ProbeResult> {
    const start = performance.now();
    const outcome = await this.outcomeOf(connect);
    return { milliseconds: Math.round(performance.now() - start), ...outcome };
  }

  /** The built-in one; it is asked as `/health/ready` does. */
  async askEmbedded(): Promise<ProbeResult> {
    const start = performance.now();
    const failure = await within(PATIENCE_SECONDS * 1000, this.embedded.ping()).then(
      () => null,
      (error: unknown) => {
        this.logger.error({ err: error }, 'The embedded vector store does not answer');
        return { code: 'unexpected', message: 'The built-in vector database does not answer. The log of the server says why.' } as const;
      },
    );
    return { milliseconds: Math.round(performance.now() - start), version: null, failure };
  }

  private async outcomeOf(connect: () => ServerConnection): Promise<Omit<ProbeResult, 'milliseconds'>> {
    let connection: ServerConnection | undefined;
    try {
      connection = connect();
      return { version: await within(PATIENCE_SECONDS * 1000, this.versionOf(connection)), failure: null };
    } catch (error) {
      const failure = failureOf(error, connection);
      if (!failure) this.logger.error({ err: error }, `What a ${connection?.type} server answers was not expected`);
      return { version: null, failure: failure ?? { code: 'unexpected', message: 'The server answers in a way that was not expected. The log of this installation says more.' } };
    }
  }

  private async versionOf(connection: ServerConnection): Promise<string | null> {
    const { outbound } = this;
    // First by itself: what cannot be found is told like what is blocked, and not like what refuses.
    await outbound.checkedAddresses(targetOf(connection));
    const store = await openStore(connection, {
      checkedAddresses: (target) => outbound.checkedAddresses(target),
      fetch: (input, init) => outbound.fetch(input, { ...init, maxBytes: MAX_ANSWER_BYTES, totalTimeoutMs: PATIENCE_SECONDS * 1000 }),
    });
    try {
      return (await store.ping()).version ?? null;
    } finally {
      // It waits for what is still under way, and nobody for that.
      store.close().catch((error: unknown) => this.logger.warn({ err: error }, 'A store that was only asked who it is could not be closed'));
    }
  }
}

function failureOf(error: unknown, connection: ServerConnection | undefined): ServerFailure | undefined {
  if (error instanceof DatabaseServerSecretUnreadable) return { code: 'secret_unreadable', message: error.message };
  if (error instanceof UrlNotAllowed) return { code: 'not_allowed', message: NOT_ALLOWED };
  const failure = error instanceof TimedOut ? new VectorServerFailure('timeout', error.message) : error;
  if (!(failure instanceof VectorServerFailure) || !connection) return undefined;
  return { code: failure.code, message: describe(failure, connection) };
}

/** In our words alone, but for a version: an adapter tells also what a server says, which may be anything. */
function describe({ code, message }: VectorServerFailure, connection: ServerConnection): string {
  const place = `${connection.host}:${portOf(connection)}`;
  switch (code) {
    case 'refused':
      return `Nobody takes connections at ${place}, or they are cut off. Check host and port, that the server runs, and whether it wants TLS (config.tls).`;
    case 'timeout':
      return `${place} did not answer within ${PATIENCE_SECONDS} seconds. Check host and port, and what lies between.`;
    case 'unauthorized':
      return 'The server answers, but refuses the credentials, or what they may do is too little. Check api_key, username and password.';
    case 'tls':
      return `No TLS with ${place}: the certificate is not for this host or not from an authority that is known, or the server speaks none. Check host and config.tls.`;
    case 'not_allowed':
      return NOT_ALLOWED;
    case 'wrong_version':
      return message.slice(0, MAX_MESSAGE);
    case 'unexpected':
      return `What answers at ${place} does not do so as ${connection.type} does. Check host and port${connection.type === 'QDRANT' ? '' : ', and that database and what config names exist there'}.`;
  }
}
