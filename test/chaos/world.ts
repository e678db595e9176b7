import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import pg from 'pg';
import { EmbeddedPostgres } from '../../src/persistence/embedded-postgres.js';
import type { ApiClient } from '../support/api-client.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { createTenant, eventually, signIn, type Tenant } from '../support/factories.js';
import { setLimits } from '../support/quotas.js';
import { Sandbox } from '../support/sandbox.js';
import type { ServerProcess } from '../support/server-process.js';
import { ADMIN } from '../support/test-app.js';
import { SmallDisk } from './small-disk.js';
import { Random } from './random.js';

/** A text that some client sent, and what the client knows of it. */
export interface Sent {
  tenant: Tenant;
  /** Stands in its every chunk, and in no other text. */
  word: string;
  title: string;
  content: string;
  /** `unknown`: no answer, or one that leaves it open. */
  outcome: 'accepted' | 'unknown' | 'refused';
  status: number | null;
  code: string | null;
  documentId: string | null;
  jobId: string | null;
  isDeleted: boolean;
}

const TENANTS = 7;
/** The queue runs so many of one tenant at once, and a worker so many of all. */
export const JOBS_OF_A_TENANT = 2;
export const JOBS_OF_A_WORKER = 4;
const CHUNK_SIZE = 100;
/** The queue notices a silence after 10 s, an idle transaction ends after 15, a lease after 30, and a job that failed waits for 2, 4, 8 … s. */
const RECOVERY_MS = 120_000;

/** What is under way, in rows. */
export const UNSETTLED = `
  SELECT 'document' AS kind, id::text, state FROM documents WHERE state IN ('PENDING', 'INGESTING', 'DELETED')
  UNION ALL SELECT 'job', id::text, status || ' ' || attempt || ' ' || summary FROM jobs WHERE status NOT IN ('FINISHED', 'FAILED', 'CANCELLED')
  UNION ALL SELECT name, id::text, state::text FROM pgboss.job WHERE state IN ('created', 'retry', 'active') AND data ? 'tenantId' AND start_after < now() + interval '1 hour'`;

export const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

/** A whole installation of real processes: a PostgreSQL of its own, an api behind a proxy, workers that come and go; and clients who remember what they were told. */
export class World {
  readonly sent: Sent[] = [];
  /** Of these at least once no answer came, or one that left it open whether they were taken in. */
  readonly unanswered: Sent[] = [];
  readonly tenants: Tenant[] = [];
  admin: ApiClient;
  private api: ServerProcess | null = null;
  private worker: ServerProcess | null = null;
  private readonly processes: ServerProcess[] = [];
  private turn = 0;
  private readonly words = new Random(0);

  private constructor(
    /** What happens is drawn from it; not what is sent, since how much that is depends on the time it takes. */
    readonly random: Random,
    readonly dataDir: string,
    readonly disk: SmallDisk,
    readonly proxy: DatabaseProxy,
    private readonly parts: { sandbox: Sandbox; embeddings: EmbeddingServer; postgres: EmbeddedPostgres; env: Record<string, string> },
  ) {}

  static async start(seed: number): Promise<World> {
    const sandbox = new Sandbox();
    const dataDir = await sandbox.dataDir();
    const disk = await SmallDisk.at(path.join(dataDir, 'blobs'));
    const embeddings = await EmbeddingServer.start();
    const postgres = await EmbeddedPostgres.join(dataDir, () => undefined);
    const proxy = await DatabaseProxy.before(postgres.url);
    const env = { ...embeddings.env, DATABASE_URL: proxy.url, DATA_DIR: dataDir, ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password };
    const world = new World(new Random(seed), dataDir, disk, proxy, { sandbox, embeddings, postgres, env });
    try {
      await world.populate();
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  }

  private async populate(): Promise<void> {
    this.api = await this.start('api');
    this.admin = this.anonymous.asUser(await signIn(this.anonymous, ADMIN.email, ADMIN.password));
    while (this.tenants.length < TENANTS) {
      const tenant = await createTenant(this.anonymous);
      await setLimits(this.admin, tenant, { api_calls_per_hour: null, documents: null, vector_points: null });
      this.tenants.push(tenant);
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.worker?.end(), this.api?.end()]);
    await this.proxy.close();
    await this.parts.postgres.leave();
    await this.parts.embeddings.stop();
    this.disk.unmount();
    await this.parts.sandbox.clean();
  }

  get anonymous(): ApiClient {
    return this.api!.client;
  }

  get vectors(): string {
    return path.join(this.dataDir, 'vectors');
  }

  /** Others than the last time, whose jobs a worker may still hold that was stopped or killed: the queue would let theirs wait. */
  nextTenants(count: number): Tenant[] {
    return Array.from({ length: count }, () => this.tenants[this.turn++ % this.tenants.length]!);
  }

  /** A process beside those that stay, which the test may do anything to. */
  async start(role: 'api' | 'worker'): Promise<ServerProcess> {
    const started = await this.parts.sandbox.start({ ...this.parts.env, ROLE: role });
    this.processes.push(started);
    return started;
  }

  /** What its processes warned of, the last lines of each, and how those ended that are gone: for whoever has to find out what went wrong. */
  get warnings(): string {
    const linesOf = ({ printed }: ServerProcess): string[] => printed.split('\n').filter((line) => line !== '' && !/"level":"(trace|debug|info)"/.test(line)).map((line) => line.slice(0, 400));
    const stateOf = ({ child }: ServerProcess): string => (child.signalCode !== null || child.exitCode !== null ? `, ended by ${child.signalCode ?? child.exitCode}` : '');
    return this.processes.map((one) => [`process ${one.child.pid}${stateOf(one)}:`, ...linesOf(one).slice(-25)].join('\n')).join('\n');
  }

  /** The worker that nobody harms. */
  async ensureWorker(): Promise<ServerProcess> {
    return (this.worker ??= await this.start('worker'));
  }

  /** What is sent now waits for the next one who comes. */
  async withoutWorker(): Promise<void> {
    await this.worker?.end();
    this.worker = null;
  }

  /** As superuser, past proxy and policies. */
  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.parts.postgres.superuserUrl.replace(/\/postgres$/, '/morag') });
    await client.connect();
    try {
      return (await client.query<Row>(sql, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** A text of so many chunks that nobody sent before. */
  compose(tenant: Tenant, chunks = 3): Sent {
    const word = this.words.word();
    const sentence = (at: number): string => `The ${word} stands in sentence ${String(at).padStart(5, '0')} as well`.padEnd(CHUNK_SIZE - 3, ' so');
    const content = Array.from({ length: chunks }, (_, at) => `${sentence(at)}.`).join('\n\n');
    const sent: Sent = { tenant, word, title: `About ${word}`, content, outcome: 'unknown', status: null, code: null, documentId: null, jobId: null, isDeleted: false };
    this.sent.push(sent);
    return sent;
  }

  /** Sends it, and notes what came of that; a text that is there already counts as accepted, however that came about. */
  async send(sent: Sent, through: ApiClient = this.anonymous): Promise<Sent> {
    sent.status = null;
    try {
      const { status, body } = await through.asUser(sent.tenant.token).post('/api/v1/ingest/text', { title: sent.title, content: sent.content, chunk_size: CHUNK_SIZE, chunk_overlap: 0 });
      Object.assign(sent, { status, code: body.code ?? null });
      if (status === 202) Object.assign(sent, { outcome: 'accepted', documentId: body.document_id, jobId: body.task_id });
      else if (status === 409 && body.code === 'duplicate_document') Object.assign(sent, { outcome: 'accepted', documentId: body.document_id });
      else sent.outcome = status >= 500 && body.code !== 'storage_full' ? 'unknown' : 'refused';
    } catch (error) {
      // The connection broke: whether it was taken in is not known.
      if ((error as Error).name !== 'TypeError') throw error;
      sent.outcome = 'unknown';
    }
    if (sent.outcome === 'unknown') this.unanswered.push(sent);
    return sent;
  }

  /** A client that was not answered sends again, until it is. */
  async sendUntilAnswered(sent: Sent): Promise<Sent> {
    return eventually(() => this.send(sent), ({ outcome }) => outcome !== 'unknown', RECOVERY_MS);
  }

  async collectionOf({ tenant }: Sent): Promise<string> {
    const [row] = await this.query<{ collection_name: string }>('SELECT collection_name FROM databases WHERE tenant_id = $1', [tenant.tenantId]);
    return path.join(this.vectors, `${row!.collection_name}.lance`);
  }

  /** Until nothing is under way any more, whatever may have happened to it. */
  async settled(): Promise<void> {
    await this.ensureWorker();
    const look = (): Promise<unknown[]> => this.query(UNSETTLED);
    await eventually(look, (unsettled) => unsettled.length === 0, RECOVERY_MS);
  }
}

/** Looks as often as it can for a file that was not there, for that is the moment. */
export function nextFileIn(directory: string): () => Promise<void> {
  const list = (): string[] => (existsSync(directory) ? readdirSync(directory) : []);
  const before = new Set(list());
  return async () => {
    while (list().every((name) => before.has(name))) await nextTurn();
  };
}
