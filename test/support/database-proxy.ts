import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Stands between a pool and PostgreSQL, and fails in the ways a network does. */
export class DatabaseProxy {
  private readonly open = new Set<Socket>();
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
    let isDoomed = false;
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
    client.on('data', (bytes) => {
      if (this.losesCommits > 0 && bytes.includes('COMMIT')) {
        this.losesCommits -= 1;
        isDoomed = true;
      }
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      if (!isDoomed) {
        client.write(bytes);
        return;
      }
      this.lostAnswers += 1;
      end();
    });
  }
}
