import { Socket } from 'node:net';
import pg from 'pg';

/** What does not answer within so long is away, in milliseconds. */
const PATIENCE_MS = 1000;

/** One connection for one question at a time: opened when it is first asked, and anew after it failed. */
export class LastingConnection {
  private client: pg.Client | undefined;
  private socket: Socket | undefined;

  constructor(
    private readonly url: string,
    private readonly name: string,
  ) {}

  /** The first row of the answer. */
  async ask<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row> {
    try {
      const client = this.client ?? (await this.open());
      return (await client.query<Row>(sql, values)).rows[0]!;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** At once: who does not answer would not say goodbye either. */
  close(): void {
    this.client = undefined;
    this.socket?.destroy();
  }

  private async open(): Promise<pg.Client> {
    const socket = new Socket();
    this.socket = socket;
    const client = new pg.Client({ connectionString: this.url, application_name: this.name, connectionTimeoutMillis: PATIENCE_MS, query_timeout: PATIENCE_MS, keepAlive: true, stream: () => socket });
    // The question under way fails, or the next one does.
    client.on('error', () => undefined);
    await client.connect();
    this.client = client;
    return client;
  }
}
