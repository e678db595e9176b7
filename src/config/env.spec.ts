import { readEnv, VARIABLES } from './env.js';

const LONG = 'x9'.repeat(20);
const PRODUCTION = { NODE_ENV: 'production', JWT_SECRET: `${LONG}j`, SEALING_KEY: `${LONG}s` };
const refusal = (env: Record<string, string>): string => {
  try {
    readEnv({ ...PRODUCTION, ...env });
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('in production', () => {
  it('the least there must be is accepted, and opens nothing that is not asked for', () => {
    expect(readEnv(PRODUCTION)).toMatchObject({ CORS_ORIGINS: [], TRUSTED_PROXIES: [], OUTBOUND_ALLOW: [], METRICS_TOKEN: undefined, DOCS_ENABLED: undefined, HOST: '127.0.0.1' });
  });

  it.each(['JWT_SECRET', 'SEALING_KEY'])('there is no start without %s, and no value that works for everybody', (name) => {
    expect(refusal({ [name]: '' })).toContain(`${name} must be set in production`);
    expect(VARIABLES[name as 'JWT_SECRET']).toMatchObject({ fallback: '', secret: true });
  });

  it('no variable that is secret has a default', () => {
    for (const [name, { secret, fallback }] of Object.entries(VARIABLES)) if (secret) expect([name, fallback]).toEqual([name, '']);
  });

  it.each([
    ['a short secret', { JWT_SECRET: 'short' }, 'JWT_SECRET must have at least 32 characters'],
    ['a short former secret', { JWT_SECRET_PREVIOUS: 'short' }, 'JWT_SECRET_PREVIOUS must have at least 32 characters'],
    ['one secret for two purposes', { SEALING_KEY: PRODUCTION.JWT_SECRET }, 'SEALING_KEY must not be the JWT_SECRET'],
    ['a short token for the metrics', { METRICS_TOKEN: 'metrics' }, 'METRICS_TOKEN must have at least 16 characters'],
    ['a direct address beside no database', { DATABASE_DIRECT_URL: 'postgres://db/morag' }, 'DATABASE_DIRECT_URL needs a DATABASE_URL'],
    ['a replica of no database', { DATABASE_REPLICA_URL: 'postgres://db/morag' }, 'DATABASE_REPLICA_URL needs a DATABASE_URL'],
    ['every proxy trusted', { TRUSTED_PROXIES: '0.0.0.0/0' }, 'TRUSTED_PROXIES must not be every address'],
    ['every IPv6 proxy trusted', { TRUSTED_PROXIES: '10.0.0.1, ::/0' }, 'TRUSTED_PROXIES must not be every address'],
    ['any origin allowed', { CORS_ORIGINS: '*' }, 'CORS_ORIGINS must be origins'],
    ['the origin of a page without one allowed', { CORS_ORIGINS: 'null' }, 'CORS_ORIGINS must be origins'],
    ['an origin with a path', { CORS_ORIGINS: 'https://app.example.com/' }, 'CORS_ORIGINS must be origins'],
    ['an origin with a wildcard', { CORS_ORIGINS: 'https://*' }, 'CORS_ORIGINS must be origins'],
  ])('there is no start with %s', (_, env, line) => {
    expect(refusal(env)).toContain(line);
    // A message is shown and logged: what is secret is not in it.
    for (const value of Object.values(env)) if (value.length > 8) expect(refusal(env)).not.toContain(value);
  });

  it('what stands in the way is said of everything at once', () => {
    expect(refusal({ JWT_SECRET: '', SEALING_KEY: 'short', PORT: 'x' })).toMatch(/PORT .*; SEALING_KEY .*; JWT_SECRET |SEALING_KEY .*JWT_SECRET/);
  });
});

describe('in development', () => {
  it('nothing has to be set', () => {
    expect(readEnv({}).NODE_ENV).toBe('development');
  });
});
