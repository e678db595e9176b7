import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { PostgresRequests } from './postgres-messages.js';

/** What a connection is told to stop at: a request, and everything that was sent in its transaction until then. */
export type Matches = (request: string, transaction: string) => boolean;

/** A place in a conversation at which it stands still until somebody lets it go on. */
export interface Breakpoint {
  /** Resolves once some connection stands there. */
  reached: Promise<void>;
  /** Lets it go on, now or whenever it gets there. */
  release(): void;
}

interface Stop {
  where: 'before' | 'after';
  matches: Matches;
  reach: () => void;
  released: Promise<void>;
}

/** Stands between a pool and PostgreSQL, and fails in the ways a network does. */
export class DatabaseProxy {
  private readonly open = new Set<Socket>();
  private readonly stops = new Set<Stop>();
  private losesCommits = 0;
  private isAway = false;
  /** Answers to COMMIT that never arrived. */
  lostAnswers = 0;

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {
    server.on('connection', (client) => this.join(client));
  }

  static async before(databaseUrl: string): Promise<DatabaseProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new DatabaseProxy(server, new URL(databaseUrl));
  }

  get url(): string {
    const url = new URL(this.target);
    url.host = `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return url.href;
  }

  /** The next COMMITs are carried out, and the connection breaks before the answer is through. */
  loseAnswersToCommit(times: number): void {
    this.losesCommits = times;
  }

  /** The first connection that sends such a request stands still before PostgreSQL has got it, or after PostgreSQL has carried it out and before the answer. */
  stop(where: Stop['where'], matches: Matches): Breakpoint {
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    this.stops.add({ where, matches, reach: reached.resolve, released: released.promise });
    return { reached: reached.promise, release: released.resolve };
  }

  /** Breaks every connection, and takes new ones only to drop them. */
  goAway(): void {
    this.isAway = true;
    for (const socket of this.open) socket.destroy();
  }

  comeBack(): void {
    this.isAway = false;
  }

  async close(): Promise<void> {
    this.goAway();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(client: Socket): void {
    if (this.isAway) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(this.target.port), this.target.hostname);
    const end = (): void => {
      for (const socket of [client, upstream]) {
        socket.destroy();
        this.open.delete(socket);
      }
    };
    for (const socket of [client, upstream]) {
      this.open.add(socket);
      socket.on('error', end).on('close', end);
    }

    const requests = new PostgresRequests();
    let transaction: string | null = null;
    let isDoomed = false;
    /** Answers that wait for a breakpoint to be released. */
    let withheld: Buffer[] | null = null;
    const forward = async (request: { bytes: Buffer; text: string }): Promise<void> => {
      if (/\b(START TRANSACTION|BEGIN)\b/.test(request.text)) transaction = '';
      const stop = this.stopAt(request.text, transaction ?? '');
      if (/\b(COMMIT|ROLLBACK)\b/.test(request.text)) transaction = null;
      else if (transaction !== null) transaction += request.text;
      if (stop?.where === 'before') {
        stop.reach();
        await stop.released;
      } else if (stop) {
        withheld = [];
        upstream.once('data', stop.reach);
        void stop.released.then(() => {
          for (const bytes of withheld ?? []) client.write(bytes);
          withheld = null;
        });
      }
      if (this.losesCommits > 0 && request.text.includes('COMMIT')) {
        this.losesCommits -= 1;
        isDoomed = true;
      }
      if (!upstream.destroyed) upstream.write(request.bytes);
    };
    // One after the other: what is sent behind a request that stands still stands still, too.
    let sending = Promise.resolve();
    client.on('data', (bytes: Buffer) => {
      for (const request of requests.take(bytes)) sending = sending.then(() => forward(request));
    });
    upstream.on('data', (bytes: Buffer) => {
      if (isDoomed) {
        this.lostAnswers += 1;
        end();
      } else if (withheld) withheld.push(bytes);
      else client.write(bytes);
    });
  }

  /** Each stop is for one connection, once. */
  private stopAt(request: string, transaction: string): Stop | undefined {
    const stop = [...this.stops].find(({ matches }) => matches(request, transaction));
    if (stop) this.stops.delete(stop);
    return stop;
  }
}
