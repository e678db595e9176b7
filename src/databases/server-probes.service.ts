import { Injectable, Logger } from '@nestjs/common';
import { TimedOut, within } from '../common/within.js';
import { Outbound } from '../outbound/outbound.js';
import { UrlNotAllowed } from '../outbound/outbound.errors.js';
import { DatabaseServerSecretUnreadable } from './database-servers.errors.js';
import { targetOf } from './server-settings.js';
import { probeChroma } from './vector-stores/chroma.probe.js';
import type { RemoteServerType } from './vector-stores/server-connection.js';
import { probePgVector } from './vector-stores/pgvector.probe.js';
import { probeQdrant } from './vector-stores/qdrant.probe.js';
import type { ProbedConnection, ServerProbe } from './vector-stores/server-probe.js';
import { VectorServerFailure } from './vector-stores/remote-failure.js';
import { VectorStore } from './vector-stores/vector-store.js';

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

/** One line a kind of server. */
const PROBES: Readonly<Record<RemoteServerType, ServerProbe>> = { QDRANT: probeQdrant, CHROMA: probeChroma, PGVECTOR: probePgVector };

const PATIENCE_SECONDS = 5;

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
  async ask(connect: () => ProbedConnection): Promise<ProbeResult> {
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

  private async outcomeOf(connect: () => ProbedConnection): Promise<Omit<ProbeResult, 'milliseconds'>> {
    let connection: ProbedConnection | undefined;
    try {
      connection = connect();
      return { version: await within(PATIENCE_SECONDS * 1000, this.versionOf(connection)), failure: null };
    } catch (error) {
      return { version: null, failure: failureOf(error, connection) };
    }
  }

  private async versionOf(connection: ProbedConnection): Promise<string> {
    // First by itself: what cannot be found is told like what is blocked, and not like what refuses.
    await this.outbound.checkedAddresses(targetOf(connection));
    return PROBES[connection.type](connection, { outbound: this.outbound, signal: AbortSignal.timeout(PATIENCE_SECONDS * 1000) });
  }
}

function failureOf(error: unknown, connection: ProbedConnection | undefined): ServerFailure {
  if (error instanceof DatabaseServerSecretUnreadable) return { code: 'secret_unreadable', message: error.message };
  if (error instanceof UrlNotAllowed) return { code: 'not_allowed', message: NOT_ALLOWED };
  const code = error instanceof TimedOut ? 'timeout' : error instanceof VectorServerFailure ? error.code : undefined;
  if (code === undefined || !connection) throw error;
  const place = `${connection.host}:${connection.port}`;
  const messages: Readonly<Record<VectorServerFailure['code'], string>> = {
    refused: `Nobody takes connections at ${place}, or they are cut off. Check host and port, that the server runs, and whether it wants TLS (config.tls).`,
    timeout: `${place} did not answer within ${PATIENCE_SECONDS} seconds. Check host and port, and what lies between.`,
    unauthorized: 'The server answers, but refuses the credentials. Check api_key, username and password.',
    tls: connection.config['tls'] === true
      ? `No TLS with ${place}: the certificate is not for this host or not from an authority that is known, or the server speaks none.`
      : `${place} asks for TLS. Set config.tls.`,
    not_allowed: NOT_ALLOWED,
    // Of our own making, since no probe lets through what a server says.
    wrong_version: (error as Error).message,
    unexpected: (error as Error).message,
  };
  return { code, message: messages[code] };
}
