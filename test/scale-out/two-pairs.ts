import path from 'node:path';
import pg from 'pg';
import { Random } from '../chaos/random.js';
import { UNSETTLED, type Sent } from '../chaos/world.js';
import type { Audited } from '../chaos/invariants.js';
import type { Answer, ApiClient } from '../support/api-client.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { createTenant, eventually, signIn, type Tenant } from '../support/factories.js';
import { setLimits } from '../support/quotas.js';
import { RedisServer } from '../support/redis-server.js';
import { Sandbox } from '../support/sandbox.js';
import type { ServerProcess } from '../support/server-process.js';
import { ADMIN } from '../support/test-app.js';
import { TestDatabase } from '../support/test-database.js';
import { WebServer } from '../support/web-server.js';

type Pair<T> = readonly [T, T];

interface Parts {
  database: TestDatabase;
  redis: RedisServer;
  sandbox: Sandbox;
  embeddings: EmbeddingServer;
  site: WebServer;
}

/** Two API processes and two workers on one PostgreSQL, one Redis and one data directory, and what was sent to them. */
export class TwoPairs implements Audited {
  readonly sent: Sent[] = [];
  readonly unanswered: Sent[] = [];
  readonly tenants: Tenant[] = [];
  admin: ApiClient;
  private readonly words = new Random(0);
  private turn = 0;

  private constructor(
    readonly apis: Pair<ServerProcess>,
    readonly workers: Pair<ServerProcess>,
    readonly dataDir: string,
    private readonly parts: Parts,
  ) {}

  static async start(): Promise<TwoPairs> {
    const [database, redis, embeddings, site] = await Promise.all([TestDatabase.create(), RedisServer.start(), EmbeddingServer.start(), WebServer.start()]);
    const sandbox = new Sandbox();
    const dataDir = await sandbox.dataDir();
    const env = {
      NODE_ENV: 'test',
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      DATA_DIR: dataDir,
      DOCS_ENABLED: 'false',
      OUTBOUND_ALLOW: site.host,
      JWT_SECRET: 'of all processes together '.repeat(2),
      SEALING_KEY: 'of all of them as well, and another '.repeat(2),
      ADMIN_EMAIL: ADMIN.email,
      ADMIN_PASSWORD: ADMIN.password,
      ...embeddings.env,
    };
    const [a, b, first, second] = await Promise.all(['api', 'api', 'worker', 'worker'].map((role) => sandbox.start({ ...env, ROLE: role })));
    const pairs = new TwoPairs([a!, b!], [first!, second!], dataDir, { database, redis, sandbox, embeddings, site });
    pairs.admin = a!.client.asUser(await signIn(a!.client, ADMIN.email, ADMIN.password));
    return pairs;
  }

  async stop(): Promise<void> {
    const { database, redis, sandbox, embeddings, site } = this.parts;
    await sandbox.clean();
    await Promise.all([database.drop(), redis.stop(), embeddings.stop(), site.stop()]);
  }

  get embeddings(): EmbeddingServer {
    return this.parts.embeddings;
  }

  /** Where webhooks arrive. */
  get site(): WebServer {
    return this.parts.site;
  }

  get vectors(): string {
    return path.join(this.dataDir, 'vectors');
  }

  query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return this.parts.database.query<Row>(sql, values);
  }

  /** Somebody with no other limits than these. */
  async newTenant(limits: Record<string, number | null> = {}): Promise<Tenant> {
    const tenant = await createTenant(this.apis[this.tenants.length % 2]!.client);
    await setLimits(this.admin, tenant, { api_calls_per_hour: null, documents: null, ...limits });
    this.tenants.push(tenant);
    return tenant;
  }

  /** The same person at each API process. */
  atBoth({ token }: Tenant): Pair<ApiClient> {
    return [this.apis[0].client.asUser(token), this.apis[1].client.asUser(token)];
  }

  /** A text of one chunk that nobody sent before. */
  compose(tenant: Tenant): Sent {
    const word = this.words.word();
    const sent: Sent = { tenant, word, title: `About ${word}`, content: `What there is to say about ${word}.`, outcome: 'unknown', status: null, code: null, documentId: null, jobId: null, isDeleted: false };
    this.sent.push(sent);
    return sent;
  }

  /** Sends it to an API process, in turns to either, and notes whether it was taken in. */
  async send(sent: Sent, { at = this.turn++ % 2, headers = {} }: { at?: number; headers?: Record<string, string> } = {}): Promise<Answer<any>> {
    const answer = await this.atBoth(sent.tenant)[at]!.post('/api/v1/ingest/text', { title: sent.title, content: sent.content }, headers);
    const { status, body } = answer;
    if (status === 202) Object.assign(sent, { status, outcome: 'accepted', documentId: body.document_id, jobId: body.task_id });
    else if (sent.outcome === 'unknown') Object.assign(sent, { status, outcome: 'refused', code: body.code });
    return answer;
  }

  async settled(): Promise<void> {
    await eventually(() => this.query(UNSETTLED), (rows) => rows.length === 0, 60_000);
  }

  /** A number on an API process' /metrics. */
  async metric(at: number, name: string): Promise<number> {
    const { body } = await this.apis[at]!.client.get<string>('/metrics');
    return Number(body.split('\n').find((line) => line.startsWith(`${name} `))?.split(' ')[1] ?? 0);
  }

  /** What its processes warned of: for whoever has to find out what went wrong. */
  get warnings(): string {
    const linesOf = ({ printed }: ServerProcess): string[] => printed.split('\n').filter((line) => /"level":"(warn|error|fatal)"/.test(line)).map((line) => line.slice(0, 400));
    return [...this.apis, ...this.workers].map((one) => [`process ${one.child.pid}:`, ...linesOf(one).slice(-25)].join('\n')).join('\n');
  }
}
