import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Cruise {
  modules: { source: string }[];
  summary: { violations: { rule: { name: string }; from: string; to: string }[] };
}

/** Every broken rule as `rule: importing file`. */
async function violationsIn(folder: string): Promise<{ violations: string[]; files: number }> {
  const cruiser = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
  const args = ['src', 'ormconfig.ts', '--config', join(folder, '.dependency-cruiser.cjs'), '--output-type', 'json'];
  const { stdout } = await promisify(execFile)(process.execPath, [cruiser, ...args], { cwd: folder, maxBuffer: 64 * 1024 * 1024 });
  const { modules, summary } = JSON.parse(stdout) as Cruise;
  return {
    violations: summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`),
    files: modules.filter(({ source }) => source.startsWith('src/')).length,
  };
}

describe('imports', () => {
  it('keep to the floors and to the homes of the packages', async () => {
    const { violations, files } = await violationsIn(root);
    expect(violations).toEqual([]);
    expect(files).toBeGreaterThan(10);
  });
});

describe('the rules for imports', () => {
  let folder: string;
  let broken: string[];

  /** What each rule must refuse: one file that breaks it, the import it breaks it with, and the rule. */
  const REFUSED: [from: string, line: string, rule: string][] = [
    ['src/tenancy/up.ts', "export { thing } from '../users/users.service.js';", 'floor-of-tenancy'],
    ['src/users/sideways.ts', "export { thing } from '../databases/databases.service.js';", 'floor-of-users'],
    ['src/jobs/type-only-up.ts', "export type { Thing } from '../documents/documents.service.js';", 'floor-of-jobs'],
    ['src/events/lazy-up.ts', "export const load = () => import('../documents/documents.service.js');", 'floor-of-events'],
    ['src/common/config-from-below.ts', "export { thing } from '../config/env.js';", 'floor-of-common'],
    ['src/config/persistence-from-below.ts', "export { thing } from '../persistence/transactions.js';", 'floor-of-config'],
    ['src/persistence/entity.ts', "export { thing } from '../users/users.service.js';", 'floor-of-persistence'],
    ['src/auth/imports-the-app.ts', "export { thing } from '../app.module.js';", 'floor-of-auth'],
    ['src/health/imports-its-floor.ts', "export { thing } from '../auth/auth.service.js';", 'floor-of-health'],
    ['src/worker.ts', "export { thing } from './surprises/surprise.js';", 'no-module-without-a-floor'],
    ['src/users/circle-a.ts', "export { b } from './circle-b.js'; export const a = 1;", 'no-circles'],
    ['src/documents/foreign-repository.ts', "export { thing } from '../users/users.repository.js';", 'no-foreign-repository-or-dto'],
    ['src/documents/foreign-dto.ts', "export type { Thing } from '../users/users.dto.js';", 'no-foreign-repository-or-dto'],
    ['src/documents/foreign-entity.ts', "export { thing } from '../users/user.entity.js';", 'no-foreign-entity-but-as-a-type'],
    ['src/users/orm.service.ts', "export { Not } from 'typeorm';", 'home-of-typeorm'],
    ['src/users/orm-type.service.ts', "export type { EntityManager } from 'typeorm';", 'home-of-typeorm'],
    ['src/users/glue.service.ts', "export { InjectRepository } from '@nestjs/typeorm';", 'home-of-nestjs-typeorm'],
    ['src/api-keys/passport.service.ts', "export { PassportStrategy } from '@nestjs/passport';", 'home-of-passport'],
    ['src/api-keys/strategy.service.ts', "export { HeaderAPIKeyStrategy } from 'passport-headerapikey';", 'home-of-passport'],
    ['src/api-keys/jwt.service.ts', "export { JwtService } from '@nestjs/jwt';", 'home-of-passport'],
    ['src/users/pool.repository.ts', "export { Pool } from 'pg';", 'home-of-pg'],
    ['src/databases/vector-stores/pool.store.ts', "export { Pool } from 'pg';", 'home-of-pg'],
    ['src/documents/queue.service.ts', "export { PgBoss } from 'pg-boss';", 'home-of-pg-boss'],
    ['src/search/lance.service.ts', "export { connect } from '@lancedb/lancedb';", 'home-of-vector-store-sdk'],
    ['src/databases/arrow.service.ts', "export { Table } from 'apache-arrow';", 'home-of-vector-store-sdk'],
    ['src/search/openai.service.ts', "export { OpenAI } from 'openai';", 'home-of-embedding-sdk'],
    ['src/search/s3.service.ts', "export { S3Client } from '@aws-sdk/client-s3';", 'home-of-blob-store-sdk'],
    ['src/webhooks/undici.service.ts', "export { request } from 'undici';", 'home-of-http-client'],
    ['src/webhooks/http.service.ts', "export { request } from 'node:http';", 'home-of-http-client'],
    ['src/webhooks/https.service.ts', "export { request } from 'https';", 'home-of-http-client'],
    ['src/webhooks/axios.service.ts', "export { default } from 'axios';", 'home-of-http-client'],
    ['src/users/spans.service.ts', "export { trace } from '@opentelemetry/api';", 'home-of-opentelemetry'],
    ['src/users/environment.service.ts', "export { env } from 'node:process';", 'home-of-process-environment'],
    ['src/users/dev.service.ts', "export { test } from '@nestjs/testing';", 'no-development-package-in-production'],
    ['src/users/lost.service.ts', "export { nothing } from './nowhere.js';", 'no-unresolvable'],
  ];

  const ALLOWED: [from: string, line: string][] = [
    ['src/app.module.ts', "import './documents/documents.service.js'; export const thing = 1; export type Thing = number;"],
    ['src/config/down.ts', "export { thing } from '../common/errors.js';"],
    ['src/metrics/down.ts', "export { thing } from '../config/env.js';"],
    ['src/tenancy/down.ts', "export { thing } from '../jobs/jobs.service.js';"],
    ['src/documents/foreign-entity-type.ts', "export type { Thing } from '../users/user.entity.js';"],
    ['src/documents/common-dto.ts', "export { thing } from '../common/problem.dto.js';"],
    ['src/users/own.service.ts', "export { thing } from './users.repository.js'; export type { Thing } from './users.dto.js';"],
    ['src/users/orm.repository.ts', "export { Not } from 'typeorm';"],
    ['src/users/orm.entity.ts', "export { Entity } from 'typeorm';"],
    ['src/users/users.module.ts', "export { TypeOrmModule } from '@nestjs/typeorm';"],
    ['src/persistence/orm.ts', "export { DataSource } from 'typeorm'; export { Pool } from 'pg';"],
    ['src/auth/jwt.strategy.ts', "export { PassportStrategy } from '@nestjs/passport'; export { Strategy } from 'passport-jwt';"],
    ['src/jobs/queue.ts', "export { PgBoss } from 'pg-boss'; export { Pool } from 'pg';"],
    ['src/databases/vector-stores/lance.ts', "export { connect } from '@lancedb/lancedb'; export { Table } from 'apache-arrow';"],
    ['src/embeddings/openai.ts', "export { OpenAI } from 'openai';"],
    ['src/tracing/spans.ts', "export { trace } from '@opentelemetry/api';"],
    ['src/documents/storage/s3.ts', "export { S3Client } from '@aws-sdk/client-s3';"],
    ['src/outbound/client.ts', "export { request } from 'undici'; export { get } from 'node:http';"],
    ['src/common/request-type.ts', "export type { IncomingMessage } from 'node:http';"],
    ['src/users/users.spec.ts', "import { Test } from '@nestjs/testing'; import { createServer } from 'node:http'; export { Test, createServer };"],
    ['ormconfig.ts', "export { DataSource } from 'typeorm';"],
  ];

  const TARGETS = [
    'src/users/users.service.ts',
    'src/users/users.repository.ts',
    'src/users/users.dto.ts',
    'src/users/user.entity.ts',
    'src/databases/databases.service.ts',
    'src/documents/documents.service.ts',
    'src/jobs/jobs.service.ts',
    'src/auth/auth.service.ts',
    'src/config/env.ts',
    'src/persistence/transactions.ts',
    'src/common/errors.ts',
    'src/common/problem.dto.ts',
    'src/surprises/surprise.ts',
  ];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'import-rules-'));
    for (const name of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json']) await cp(join(root, name), join(folder, name));
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    const files = [
      ...TARGETS.map((path) => [path, 'export const thing = 1; export type Thing = number;']),
      ['src/users/circle-b.ts', "import './circle-a.js'; export const b = 1;"],
      ...REFUSED,
      ...ALLOWED,
    ];
    for (const [path, text] of files as [string, string][]) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), `${text}\n`);
    }
    broken = (await violationsIn(folder)).violations;
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(REFUSED)('refuse %s: %s', (from, _line, rule) => {
    expect(broken.filter((violation) => violation.startsWith(`${rule}: ${from} → `))).toHaveLength(1);
  });

  it.each(ALLOWED)('allow %s: %s', (from) => {
    expect(broken.filter((violation) => violation.includes(`: ${from} → `))).toEqual([]);
  });

  it('refuse nothing for a second reason that nobody meant', () => {
    const meant = new Set(REFUSED.map(([from, , rule]) => `${rule}: ${from}`));
    const also = broken.filter((violation) => !meant.has(violation.split(' → ')[0] ?? ''));
    // A client that is not even installed.
    expect(also).toEqual(['no-unresolvable: src/webhooks/axios.service.ts → axios']);
  });
});
