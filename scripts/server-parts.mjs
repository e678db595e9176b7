// For tools that work beside a running server, on the same database and the same data directory, and also where none runs.
/** A module of the built server, by its file under `src`. */
export const builtPart = (file) => import(`../dist/src/${file}`);

/** The server's own parts around its database, without a port and without a worker. */
export async function withServer(work) {
  const [{ NestFactory }, { AppModule }, { createRootLogger, NestLogger }, { Config }, { readEnv }, { EmbeddedPostgres }] = await Promise.all(
    [import('@nestjs/core'), ...['app.module.js', 'common/logging.js', 'config/config.js', 'config/env.js', 'persistence/embedded-postgres.js'].map(builtPart)],
  );
  const config = new Config({ ...readEnv(), ROLE: 'api' });
  const embedded = config.env.DATABASE_URL === undefined ? await EmbeddedPostgres.join(config.dataDir, console.warn) : undefined;
  try {
    const logger = new NestLogger(createRootLogger(process.env.LOG_LEVEL || 'error', process.stderr));
    const app = await NestFactory.createApplicationContext(AppModule.with(config, embedded?.url ?? config.env.DATABASE_URL), { logger, abortOnError: false });
    try {
      return await work(app);
    } finally {
      await app.close();
    }
  } finally {
    await embedded?.leave();
  }
}
