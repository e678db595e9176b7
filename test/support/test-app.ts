import 'reflect-metadata';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createApp } from '../../src/app.js';
import { createRootLogger } from '../../src/common/logging.js';
import { Config } from '../../src/config/config.js';
import { readEnv, type VariableName } from '../../src/config/env.js';
import { ApiClient } from './api-client.js';
import { ServerProcess } from './server-process.js';
import { TestDatabase } from './test-database.js';

export const ADMIN = { email: 'admin@example.com', password: 'the-test-administrator' };

/** The whole server in this process, on a database and a data directory of its own. */
export class TestApp {
  private constructor(
    readonly app: NestFastifyApplication,
    readonly url: string,
    readonly database: TestDatabase,
    readonly dataDir: string,
  ) {}

  static async start(env: Partial<Record<VariableName, string>> = {}): Promise<TestApp> {
    return TestApp.open(await TestDatabase.create(), await mkdtemp(path.join(tmpdir(), 'morag-app-')), env);
  }

  /** On a database and a data directory that something is in already, and which go with it. */
  static on(database: TestDatabase, dataDir: string, env: Partial<Record<VariableName, string>>): Promise<TestApp> {
    return TestApp.open(database, dataDir, env);
  }

  /** A second server on the same database and data directory; close its `app`, the rest goes with the first. */
  beside(env: Partial<Record<VariableName, string>> = {}): Promise<TestApp> {
    return TestApp.open(this.database, this.dataDir, env);
  }

  /** The same, but really another process; end it before the first is stopped. */
  processBeside(env: Partial<Record<VariableName, string>> = {}): Promise<ServerProcess> {
    return ServerProcess.start({ DATABASE_URL: this.database.url, DATA_DIR: this.dataDir, ROLE: 'api', ...env });
  }

  private static async open(database: TestDatabase, dataDir: string, env: Partial<Record<VariableName, string>>): Promise<TestApp> {
    const config = new Config(
      readEnv({
        NODE_ENV: 'test',
        DATA_DIR: dataDir,
        PORT: '0',
        LOG_LEVEL: process.env['MORAG_TEST_LOG'] ?? 'silent',
        DOCS_ENABLED: 'false',
        ADMIN_EMAIL: ADMIN.email,
        ADMIN_PASSWORD: ADMIN.password,
        ...env,
      }),
    );
    const app = await createApp(config, database.url, createRootLogger(config.env.LOG_LEVEL));
    await app.listen(0, '127.0.0.1');
    return new TestApp(app, await app.getUrl(), database, dataDir);
  }

  get anonymous(): ApiClient {
    return new ApiClient(this.url);
  }

  async stop(): Promise<void> {
    await this.app.close();
    await this.database.drop();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
