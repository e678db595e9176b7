// Every module stands on a floor and imports only from lower floors. This table is the whole order; the rules below are made from it.
// A module may import from every smaller number; two modules on one number know nothing of each other.
// Type-only imports count: what a lower floor has to tell a higher one goes through `events`.
const FLOOR = {
  common: 0,
  config: 0.1,
  tracing: 0.1,
  // Below those whom it counts.
  metrics: 0.15,
  persistence: 0.2,
  // Below its users of floor 1: an embedding endpoint is called through it too.
  outbound: 0.2,
  // So is this: jobs are tried again with it, too.
  idempotency: 0.3,

  events: 1,
  audit: 1,
  jobs: 1,
  'rate-limits': 1,
  embeddings: 1,

  tenancy: 2,

  users: 3,
  'api-keys': 3,
  databases: 3,
  webhooks: 3,

  documents: 4,
  search: 4,

  auth: 5,
  admin: 5,
  health: 5,
  backup: 5,
};

// Where a package from outside may be imported, and why nowhere else.
const HOMES = [
  {
    name: 'typeorm',
    packages: ['typeorm'],
    homes: ['\\.entity\\.ts$', '\\.repository\\.ts$', '^src/persistence/', '^ormconfig\\.ts$'],
    comment: 'Services open transactions and call repositories; only repositories speak to the ORM.',
  },
  {
    name: 'nestjs-typeorm',
    packages: ['@nestjs/typeorm'],
    homes: ['\\.module\\.ts$', '\\.repository\\.ts$', '^src/persistence/'],
    comment: 'Modules register their entities; nobody else needs the glue.',
  },
  {
    name: 'passport',
    packages: ['passport', 'passport-[^/]+', '@nestjs/passport', '@nestjs/jwt'],
    homes: ['^src/auth/'],
    comment: 'Who is asking is settled in auth; everybody else reads Principal.',
  },
  {
    name: 'pg',
    packages: ['pg', 'pg-[^b/][^/]*'],
    homes: ['^src/persistence/', '^src/events/', '^src/jobs/', '^src/databases/vector-stores/pgvector\\.connections\\.ts$'],
    comment: 'A connection of its own goes around Transactions, hence around tenants: only the pool, the listener and the queue have one; pgvector speaks to another database altogether.',
  },
  { name: 'pg-boss', packages: ['pg-boss'], homes: ['^src/jobs/'], comment: 'Others enqueue through JobsService.' },
  {
    name: 'vector-store-sdk',
    packages: ['@lancedb/[^/]+', 'apache-arrow', '@qdrant/[^/]+'],
    homes: ['^src/databases/vector-stores/'],
    comment: 'Each vector store is one adapter behind the port.',
  },
  {
    name: 'embedding-sdk',
    packages: ['openai', '@huggingface/transformers', 'onnxruntime-node'],
    homes: ['^src/embeddings/'],
    comment: 'Each embedding provider is one adapter behind the port.',
  },
  {
    name: 'opentelemetry',
    packages: ['@opentelemetry/[^/]+'],
    homes: ['^src/tracing/'],
    typesAreFree: true,
    comment: 'Spans are made through tracing, which costs nothing while nobody wants them; the SDK is loaded only where they are exported.',
  },
  { name: 'redis', packages: ['ioredis'], homes: ['^src/rate-limits/redis\\.rate-limits\\.ts$'], comment: 'Redis counts rate limits behind the port, and nothing else depends on it.' },
  { name: 'blob-store-sdk', packages: ['@aws-sdk/[^/]+'], homes: ['^src/documents/storage/'], comment: 'Each blob store is one adapter behind the port.' },
  {
    name: 'http-client',
    packages: ['undici', '(?:node:)?http', '(?:node:)?https', '(?:node:)?http2', 'axios', '@nestjs/axios', 'got', 'ky', 'node-fetch', 'superagent', 'needle'],
    homes: ['^src/outbound/'],
    typesAreFree: true,
    comment: 'One client classifies every address before it connects to it.',
  },
  {
    name: 'process-environment',
    packages: ['(?:node:)?process'],
    homes: ['^src/config/env\\.ts$'],
    comment: 'Every variable is declared, checked at start and documented in one table.',
  },
];

const modulesBelow = (floor) => Object.keys(FLOOR).filter((other) => FLOOR[other] < floor);

const floorRules = Object.entries(FLOOR).map(([module, floor]) => ({
  name: `floor-of-${module}`,
  comment: `${module} stands on floor ${floor}: it may import itself and ${modulesBelow(floor).join(', ') || 'nothing else'}.`,
  severity: 'error',
  from: { path: `^src/${module}/` },
  to: { path: '^src/', pathNot: `^src/(?:${[module, ...modulesBelow(floor)].join('|')})/` },
}));

const homeRules = HOMES.map(({ name, packages, homes, comment, typesAreFree }) => ({
  name: `home-of-${name}`,
  comment,
  severity: 'error',
  // A test beside its subject may stand up the server that the subject talks to.
  from: { path: '^(?:src/|ormconfig\\.ts$)', pathNot: [...homes, '\\.spec\\.ts$'] },
  to: {
    path: `(?:^|/node_modules/|^node_modules/)(?:${packages.join('|')})(?:/|$)`,
    pathNot: '^src/',
    ...(typesAreFree && { dependencyTypesNot: ['type-only'] }),
  },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...floorRules,
    ...homeRules,
    {
      name: 'no-module-without-a-floor',
      comment: 'Give the new folder its floor in FLOOR (and in ARCHITECTURE.md).',
      severity: 'error',
      from: {},
      to: { path: '^src/[^/]+/', pathNot: `^src/(?:${Object.keys(FLOOR).join('|')})/` },
    },
    {
      name: 'no-circles',
      comment: 'Whoever is evaluated first sees the other as undefined, and decorators write that down.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-foreign-repository-or-dto',
      comment: "Use the other module's service: its repository is how it stores things, its DTOs are what the wire says.",
      severity: 'error',
      // The edge is made of what the floors below answer, so it may name their DTOs.
      from: { path: '^src/([^/]+)/', pathNot: '^src/(?:auth|admin)/' },
      to: { path: '^src/.*\\.(?:repository|dto)\\.ts$', pathNot: ['^src/$1/', '^src/common/'] },
    },
    {
      name: 'no-foreign-repository-at-the-edge',
      comment: "Use the other module's service: its repository is how it stores things.",
      severity: 'error',
      from: { path: '^src/(auth|admin)/' },
      to: { path: '^src/.*\\.repository\\.ts$', pathNot: '^src/$1/' },
    },
    {
      name: 'no-foreign-entity-but-as-a-type',
      comment: 'Entities refer across modules by id; foreign keys live in migrations.',
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: { path: '^src/.*\\.entity\\.ts$', pathNot: '^src/$1/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-development-package-in-production',
      comment: 'The image is installed without development dependencies, and a package that only some other package asks for may go any day.',
      severity: 'error',
      from: { path: '^(?:src/|ormconfig\\.ts$)', pathNot: '\\.spec\\.ts$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-unresolvable',
      comment: 'A path that leads nowhere would also lead around every other rule.',
      severity: 'error',
      from: {},
      // Optional: loaded only where somebody installed it.
      to: { couldNotResolve: true, pathNot: '^@huggingface/transformers$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: `${__dirname}/tsconfig.json` },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'], mainFields: ['module', 'main', 'types'] },
  },
};
