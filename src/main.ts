import 'reflect-metadata';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import { errorCode } from './common/error-code.js';
import { createRootLogger } from './common/logging.js';
import { giveWayToRequests } from './common/process-priority.js';
import { VERSION } from './common/version.js';
import { Config } from './config/config.js';
import { describeVariables, StartupError } from './config/env.js';
import { EmbeddedPostgres } from './persistence/embedded-postgres.js';

/** After this the process ends whatever still runs; supervisors usually kill after 30 s. */
const SHUTDOWN_DEADLINE_MS = 25_000;

function printHelp(): void {
  const rows = describeVariables().map(({ name, type, fallback, meaning, secret }) => ({
    name,
    text: `${meaning}${secret ? ' [secret]' : ''} (${type}${fallback === '' ? '' : `; default: ${fallback}`})`,
  }));
  const width = Math.max(...rows.map((row) => row.name.length));
  process.stdout.write('MoRAG Server: npm start [-- --help | --migrate]\n\n--migrate brings the database up to date and ends.\n\nEnvironment variables, all optional in development:\n\n');
  for (const row of rows) process.stdout.write(`  ${row.name.padEnd(width)}  ${row.text}\n`);
}

async function listen(app: NestFastifyApplication, { env }: Config): Promise<string> {
  try {
    await app.listen(env.PORT, env.HOST);
  } catch (error) {
    if (errorCode(error) === 'EADDRINUSE') throw new StartupError(`Port ${env.PORT} on ${env.HOST} is taken. Stop the process that holds it, or set PORT.`);
    if (errorCode(error) === 'EACCES') throw new StartupError(`Port ${env.PORT} needs more rights. Set PORT to 1024 or above.`);
    if (['EADDRNOTAVAIL', 'ENOTFOUND'].includes(errorCode(error))) throw new StartupError(`HOST ${env.HOST} is not an address of this machine.`);
    throw error;
  }
  return (await app.getUrl()).replace('[::1]', 'localhost');
}

function printWelcome(address: string, config: Config, password: string | undefined): void {
  const lines = [
    '',
    'MoRAG Server is ready.',
    '',
    `  API         ${address}`,
    ...(config.docsEnabled ? [`  Swagger UI  ${address}/docs`] : []),
    `  Data        ${config.dataDir}`,
    ...(password === undefined ? [] : [`  Admin       ${config.env.ADMIN_EMAIL} with the password ${password} (shown only now)`]),
    '',
    'Try it:',
    '',
    `  curl -s ${address}/auth/register -H 'Content-Type: application/json' \\`,
    `    -d '{"name":"Ada Lovelace","email":"ada@example.com","password":"correct-horse-battery"}'`,
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Everything this process has open, closed in the order in which the parts need each other. */
class Server {
  private embedded: EmbeddedPostgres | undefined;
  private opening: Promise<string> | undefined;
  private app: NestFastifyApplication | undefined;
  private starting: Promise<void> | undefined;
  private stopping: Promise<void> | undefined;
  private stopTracing: (() => Promise<void>) | undefined;

  constructor(
    private readonly config: Config,
    private readonly logger: Logger,
    private readonly onlyMigrates: boolean,
  ) {}

  start(): Promise<void> {
    this.starting ??= this.open();
    return this.starting;
  }

  stop(): Promise<void> {
    this.stopping ??= this.close();
    return this.stopping;
  }

  private async open(): Promise<void> {
    await this.startTracing();
    this.opening = this.openDatabase();
    if (this.onlyMigrates) {
      await this.opening;
      this.logger.info('migrated');
      return;
    }
    // Loading the packages takes longer than starting the database: at the same time.
    const [databaseUrl, { createApp }, { FirstAdministrator }] = await Promise.all([this.opening, import('./app.js'), import('./auth/first-administrator.js')]);
    this.app = await createApp(this.config, databaseUrl, this.logger);
    const address = await listen(this.app, this.config);
    this.logger.info({ address, role: this.config.env.ROLE }, 'ready');
    // What people read comes after the log, not in the middle of it.
    this.logger.flush();
    this.welcome(address, this.app.get(FirstAdministrator).generatedPassword);
  }

  /** The SDK is loaded only where somebody wants traces. */
  private async startTracing(): Promise<void> {
    const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER_ARG } = this.config.env;
    if (OTEL_EXPORTER_OTLP_ENDPOINT === undefined) return;
    const { startTracing } = await import('./tracing/start-tracing.js');
    this.stopTracing = await startTracing({ version: VERSION, share: OTEL_TRACES_SAMPLER_ARG, warn: (message) => this.logger.warn(message) });
  }

  /** In production the log speaks for itself, but a made-up password has nobody else to tell it. */
  private welcome(address: string, password: string | undefined): void {
    const { NODE_ENV, ROLE, ADMIN_EMAIL } = this.config.env;
    if (NODE_ENV !== 'production' && ROLE !== 'worker') printWelcome(address, this.config, password);
    else if (password !== undefined) process.stdout.write(`The first administrator is ${ADMIN_EMAIL} with the password ${password} (shown only now).\n`);
  }

  private async openDatabase(): Promise<string> {
    const warn = (message: string): void => this.logger.warn(message);
    if (this.config.env.DATABASE_URL === undefined) this.embedded = await EmbeddedPostgres.join(this.config.dataDir, warn);
    const databaseUrl = this.embedded?.url ?? this.config.env.DATABASE_URL!;
    const [{ migrate, waitForSchema }, { requireUsableAddresses }] = await Promise.all([import('./schema.js'), import('./persistence/database-addresses.js')]);
    const { NODE_ENV, MIGRATE_ON_START, DATABASE_DIRECT_URL } = this.config.env;
    const options = { production: NODE_ENV === 'production', warn };
    await requireUsableAddresses(databaseUrl, DATABASE_DIRECT_URL, options);
    await (MIGRATE_ON_START || this.onlyMigrates ? migrate : waitForSchema)(DATABASE_DIRECT_URL ?? databaseUrl, options);
    return databaseUrl;
  }

  private async close(): Promise<void> {
    // A start cut short would leave behind what it was just opening, such as a running database.
    await Promise.allSettled([this.opening, this.starting]);
    try {
      await this.app?.close();
    } finally {
      await this.stopTracing?.();
      await this.embedded?.leave();
    }
  }
}

async function main(): Promise<void> {
  if (process.argv.includes('--help')) return printHelp();
  const config = Config.fromEnvironment();
  const logger = createRootLogger(config.env.LOG_LEVEL);
  if (config.env.ROLE === 'worker') giveWayToRequests();
  const onlyMigrates = process.argv.includes('--migrate');
  const server = new Server(config, logger, onlyMigrates);
  const stop = (signal: string): void => {
    logger.info({ signal }, 'stopping');
    setTimeout(() => process.exit(1), SHUTDOWN_DEADLINE_MS).unref();
    void server.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  try {
    await server.start();
    if (onlyMigrates) await server.stop();
  } catch (error) {
    await server.stop();
    throw error;
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(error instanceof StartupError ? `morag: ${error.message}\n` : `${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
}
