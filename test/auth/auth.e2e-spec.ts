import { createHmac } from 'node:crypto';
import { mintKey } from '../../src/api-keys/key-format.js';
import { TOKEN_AUDIENCE, TOKEN_ISSUER } from '../../src/auth/access-tokens.js';
import { Config } from '../../src/config/config.js';
import type { Answer, ApiClient } from '../support/api-client.js';
import { administrator, changeStanding, createKey, createTenant, eventually, forgetFailedSignIns, PASSWORD, signIn, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

const RFC6750_NO_TOKEN = 'Bearer realm="morag"';
const RFC6750_BAD_TOKEN = 'Bearer realm="morag", error="invalid_token"';

/** An answer as a stranger could compare it: everything but the two members that name the request. */
function anonymised({ status, headers, body }: Answer<Record<string, unknown>>): unknown {
  return { status, challenge: headers.get('www-authenticate'), type: headers.get('content-type'), body: JSON.stringify({ ...body, request_id: '', instance: '' }) };
}

interface Forgery {
  alg?: string;
  secret?: string;
  claims?: Record<string, unknown>;
}

const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
const partOf = (token: string, at: number): Record<string, unknown> => JSON.parse(Buffer.from(token.split('.')[at]!, 'base64url').toString()) as Record<string, unknown>;
const headerOf = (token: string): Record<string, unknown> => partOf(token, 0);
const claimsOf = (token: string): Record<string, unknown> => partOf(token, 1);

function sign(claims: object, alg: string, secret: string, kid: unknown): string {
  const signed = `${encoded({ alg, typ: 'JWT', kid })}.${encoded(claims)}`;
  const mac = alg === 'none' ? '' : createHmac(alg.replace('HS', 'sha'), secret).update(signed).digest('base64url');
  return `${signed}.${mac}`;
}

describe('accounts and credentials', () => {
  let server: TestApp;
  let admin: ApiClient;

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
  });
  beforeEach(() => forgetFailedSignIns(server));
  afterAll(() => server.stop());

  describe('registering', () => {
    it('answers the new person, without a trace of the password', async () => {
      const { status, body } = await server.anonymous.post('/auth/register', { name: 'Grace Hopper', email: 'Grace@Example.com', password: PASSWORD, avatar: 'https://example.com/g.png' });
      expect(status).toBe(201);
      expect(Object.keys(body).sort()).toEqual(['avatar', 'created_at', 'email', 'id', 'is_active', 'name', 'role', 'updated_at']);
      expect(body).toMatchObject({ name: 'Grace Hopper', email: 'Grace@Example.com', avatar: 'https://example.com/g.png', role: 'USER', is_active: true });
      const [stored] = await server.database.query<{ password_hash: string }>('SELECT password_hash FROM users WHERE id = $1', [body.id]);
      expect(stored?.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    });

    it.each(['taken@example.com', 'TAKEN@EXAMPLE.COM', 'Taken@Example.Com'])('refuses %s when the address is taken, whatever its case', async (email) => {
      await server.anonymous.post('/auth/register', { name: 'First', email: 'taken@example.com', password: PASSWORD });
      expect(await server.anonymous.post('/auth/register', { name: 'Second', email, password: PASSWORD })).toMatchObject({ status: 409, body: { code: 'email_taken' } });
    });

    it('lets exactly one of many in who ask for the same address at once, and leaves nothing of the others', async () => {
      const tenants = async (): Promise<number> => Number((await server.database.query<{ count: string }>('SELECT count(*) FROM tenants'))[0]!.count);
      const before = await tenants();
      const asked = Array.from({ length: 8 }, (_, i) => server.anonymous.post('/auth/register', { name: `Racer ${i}`, email: `${i % 2 ? 'RACE' : 'race'}@example.com`, password: PASSWORD }));
      const statuses = (await Promise.all(asked)).map(({ status }) => status);
      expect(statuses.filter((status) => status === 201)).toHaveLength(1);
      expect(statuses.filter((status) => status === 409)).toHaveLength(7);
      expect(await tenants()).toBe(before + 1);
    });

    const good = { name: 'Someone', email: 'someone@example.com', password: PASSWORD };
    it.each<[string, Record<string, unknown>, string]>([
      ['a password of seven characters', { password: 'short12' }, 'password'],
      ['a password that everybody tries', { password: 'Password1' }, 'password'],
      ['a password of 129 characters', { password: 'x'.repeat(129) }, 'password'],
      ['a password that is no text', { password: 12345678 }, 'password'],
      ['a name of one character', { name: 'A' }, 'name'],
      ['a name of 256 characters', { name: 'A'.repeat(256) }, 'name'],
      ['a name that is null', { name: null }, 'name'],
      ['a name that is a list', { name: ['Ada', 'Lovelace'] }, 'name'],
      ['an address without @', { email: 'someone' }, 'email'],
      ['an address with a NUL', { email: 'some\0one@example.com' }, 'email'],
      ['an address with a line break', { email: 'someone@example.com\r\nBcc: all@example.com' }, 'email'],
      ['an address of 300 characters', { email: `${'a'.repeat(60)}@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(55)}` }, 'email'],
      ['an avatar that runs in a browser', { avatar: 'javascript:alert(1)' }, 'avatar'],
      ['a field nobody declared', { nickname: 'x' }, 'nickname'],
      ['a role of its own choice', { role: 'ADMIN' }, 'role'],
      ['a tenant of its own choice', { tenant_id: '00000000-0000-7000-8000-000000000000' }, 'tenant_id'],
    ])('refuses %s, naming the field', async (_, wrong, field) => {
      const { status, body } = await server.anonymous.post('/auth/register', { ...good, ...wrong });
      expect({ status, code: body.code, fields: body.errors?.map((error: { field: string }) => error.field) }).toEqual({ status: 400, code: 'validation_failed', fields: [field] });
    });

    it('refuses a NUL in a name, which cannot be stored', async () => {
      expect(await server.anonymous.post('/auth/register', { ...good, name: 'Some\0one' })).toMatchObject({ status: 400, headers: expect.anything() });
    });

    it('takes a password exactly as it is: 128 characters, none cut off, none normalised', async () => {
      const password = `${'p'.repeat(125)}é🔑 `;
      await server.anonymous.post('/auth/register', { name: 'Exact', email: 'exact@example.com', password });
      const login = async (attempt: string): Promise<number> => (await server.anonymous.post('/auth/login', { email: 'exact@example.com', password: attempt })).status;
      expect(await login(password)).toBe(200);
      expect(await login(password.trimEnd())).toBe(401);
      expect(await login(password.normalize('NFD'))).not.toBe(200);
    });
  });

  describe('signing in', () => {
    it('answers a token that lasts fifteen minutes, whatever the case of the address', async () => {
      const { email } = await createTenant(server.anonymous);
      const { status, headers, body } = await server.anonymous.post('/auth/login', { email: email.toUpperCase(), password: PASSWORD });
      expect(status).toBe(200);
      expect(body).toMatchObject({ token_type: 'bearer', expires_in: 900, user: { email } });
      expect(headers.get('cache-control')).toBe('no-store');
      const claims = claimsOf(body.access_token as string) as { iat: number; exp: number };
      expect(claims.exp - claims.iat).toBe(900);
    });

    it('answers a wrong password and an unknown person alike', async () => {
      const { email } = await createTenant(server.anonymous);
      const wrong = await server.anonymous.post('/auth/login', { email, password: 'not-the-password' });
      const unknown = await server.anonymous.post('/auth/login', { email: 'nobody@example.com', password: 'not-the-password' });
      expect(wrong).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
      expect(wrong.headers.get('www-authenticate')).toMatch(/^Bearer realm="morag"/);
      expect(anonymised(unknown)).toEqual(anonymised(wrong));
    });

    it('keeps a deactivated person out, and ends what was signed in', async () => {
      const person = await createTenant(server.anonymous);
      const key = await createKey(person.client, ['read']);
      await changeStanding(admin, person.userId, { is_active: false });
      const refused = await server.anonymous.post('/auth/login', { email: person.email, password: PASSWORD });
      const unknown = await server.anonymous.post('/auth/login', { email: 'nobody@example.com', password: PASSWORD });
      expect(anonymised(refused)).toEqual(anonymised(unknown));
      for (const client of [person.client, key.client]) expect(await client.get('/auth/me')).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
    });
  });

  describe('the own account', () => {
    it('shows a person itself, and a key itself beside its owner', async () => {
      const person = await createTenant(server.anonymous, 'Alan Turing');
      const key = await createKey(person.client, ['search'], { name: 'finder' });
      const me = await person.client.get('/auth/me');
      expect(me).toMatchObject({ status: 200, body: { id: person.userId, name: 'Alan Turing', email: person.email } });
      expect(me.body).not.toHaveProperty('api_key');
      expect(await key.client.get('/auth/me')).toMatchObject({ status: 200, body: { id: person.userId, api_key: { id: key.id, name: 'finder', permissions: ['search'] } } });
      expect(JSON.stringify((await key.client.get('/auth/me')).body)).not.toContain(key.secret);
    });

    it('changes only what is named, and refuses an address that is taken', async () => {
      const person = await createTenant(server.anonymous, 'Before');
      const other = await createTenant(server.anonymous);
      expect(await person.client.put('/auth/me', { name: 'After' })).toMatchObject({ status: 200, body: { name: 'After', email: person.email, avatar: null } });
      expect(await person.client.put('/auth/me', { avatar: 'https://example.com/a.png' })).toMatchObject({ body: { name: 'After', avatar: 'https://example.com/a.png' } });
      expect(await person.client.put('/auth/me', { avatar: null })).toMatchObject({ status: 200, body: { avatar: null } });
      expect(await person.client.put('/auth/me', { email: other.email.toUpperCase() })).toMatchObject({ status: 409, body: { code: 'email_taken' } });
      expect(await person.client.put('/auth/me', { role: 'ADMIN' })).toMatchObject({ status: 400 });
      expect(await person.client.put('/auth/me', { name: null })).toMatchObject({ status: 400, body: { errors: [{ field: 'name' }] } });
      expect((await person.client.get('/auth/me')).body).toMatchObject({ name: 'After', email: person.email, role: 'USER' });
    });

    it('starts with the default settings, and changes only what is named', async () => {
      const person = await createTenant(server.anonymous);
      const defaults = { theme: 'SYSTEM', language: 'en', notifications: true, auto_save: true, default_database: 'default' };
      expect((await person.client.get('/auth/settings')).body).toEqual(defaults);
      expect((await person.client.put('/auth/settings', { theme: 'DARK', language: 'pt-BR' })).body).toEqual({ ...defaults, theme: 'DARK', language: 'pt-BR' });
      expect((await person.client.put('/auth/settings', { auto_save: false })).body).toEqual({ ...defaults, theme: 'DARK', language: 'pt-BR', auto_save: false });
      for (const wrong of [{ theme: 'dark' }, { notifications: 'yes' }, { language: '../etc' }, { theme: null }, { colour: 'red' }]) {
        expect(await person.client.put('/auth/settings', wrong)).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
      }
    });

    it('cannot be changed by a key, not even one with every permission', async () => {
      const person = await createTenant(server.anonymous);
      const key = await createKey(person.client, ['read', 'write', 'ingest', 'process', 'search', 'admin']);
      for (const answer of [
        await key.client.put('/auth/me', { email: 'thief@example.com' }),
        await key.client.put('/auth/settings', { theme: 'DARK' }),
        await key.client.post('/auth/change-password', { current_password: PASSWORD, new_password: 'another-long-password' }),
      ]) {
        expect(answer).toMatchObject({ status: 403, body: { code: 'session_required' } });
      }
    });

    it('changes the password: every other session ends at once, the own one and keys go on', async () => {
      const person = await createTenant(server.anonymous);
      const elsewhere = server.anonymous.asUser(await signIn(server.anonymous, person.email, PASSWORD));
      const bystander = await createTenant(server.anonymous);
      const key = await createKey(person.client, ['read']);
      const renewed = 'a-wholly-new-password';
      expect(await person.client.post('/auth/change-password', { current_password: 'wrong-password', new_password: renewed })).toMatchObject({ status: 403, body: { code: 'wrong_password' } });
      expect((await elsewhere.get('/auth/me')).status).toBe(200);
      expect((await person.client.post('/auth/change-password', { current_password: PASSWORD, new_password: 'short' })).status).toBe(400);

      expect(await person.client.post('/auth/change-password', { current_password: PASSWORD, new_password: renewed })).toMatchObject({ status: 204, body: '' });
      expect(await elsewhere.get('/auth/me')).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
      for (const client of [person.client, key.client, bystander.client]) expect((await client.get('/auth/me')).status).toBe(200);
      expect((await server.anonymous.post('/auth/login', { email: person.email, password: PASSWORD })).status).toBe(401);
      expect((await server.anonymous.post('/auth/login', { email: person.email, password: renewed })).status).toBe(200);
    });
  });

  it.each(['suspended', 'inactive'])('refuses a tenant that is %s everything but signing in and learning why', async (state) => {
    const person = await createTenant(server.anonymous);
    const key = await createKey(person.client, ['read', 'search']);
    expect((await admin.patch(`/admin/tenants/${person.tenantId}`, { status: state })).status).toBe(200);
    const again = server.anonymous.asUser(await signIn(server.anonymous, person.email, PASSWORD));
    for (const client of [person.client, again, key.client]) {
      expect(await client.get('/api/v1/tenant/info')).toMatchObject({ status: 200, body: { status: state } });
      for (const refused of [
        await client.get('/auth/me'),
        await client.get('/auth/settings'),
        await client.get('/api/v1/tenant/quotas'),
        await client.get('/api/v1/documents'),
        await client.post('/api/v1/search', { query: 'anything' }),
      ]) {
        expect(refused).toMatchObject({ status: 403, body: { code: 'tenant_suspended' } });
      }
    }
    expect((await admin.patch(`/admin/tenants/${person.tenantId}`, { status: 'trial' })).status).toBe(200);
    expect((await key.client.get('/api/v1/documents')).status).toBe(200);
  });

  describe('a credential', () => {
    let person: Tenant;
    let other: Tenant;
    let forge: (forgery?: Forgery) => string;

    beforeAll(async () => {
      person = await createTenant(server.anonymous);
      other = await createTenant(server.anonymous);
      const jwtSecret = server.app.get(Config).jwtSecrets[0]!;
      const genuine = claimsOf(person.token);
      const { kid } = headerOf(person.token);
      forge = ({ alg = 'HS256', secret = jwtSecret, claims = {} } = {}) => sign({ ...genuine, ...claims }, alg, secret, kid);
    });

    it('is a token that we signed, and the forger of these tests would pass if it knew the secret', async () => {
      expect((await server.anonymous.asUser(forge()).get('/auth/me')).status).toBe(200);
      expect(claimsOf(person.token)).toMatchObject({ iss: TOKEN_ISSUER, aud: TOKEN_AUDIENCE, typ: 'access' });
    });

    it('is such a token until its time is over, also when it was good a moment ago', async () => {
      const brief = server.anonymous.asUser(forge({ claims: { exp: Math.floor(Date.now() / 1000) + 3 } }));
      expect((await brief.get('/auth/me')).status).toBe(200);
      expect(await eventually(() => brief.get('/auth/me'), ({ status }) => status !== 200)).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
    });

    const past = Math.floor(Date.now() / 1000) - 60;
    it.each<[string, () => Record<string, string>]>([
      ['garbage', () => ({ authorization: 'Bearer garbage' })],
      ['three dots of garbage', () => ({ authorization: 'Bearer a.b.c' })],
      ['a scheme without a token', () => ({ authorization: 'Bearer' })],
      ['another scheme', () => ({ authorization: `Basic ${Buffer.from(`${person.email}:${PASSWORD}`).toString('base64')}` })],
      ['a token whose claims are no JSON', () => ({ authorization: `Bearer ${person.token.split('.')[0]}.${Buffer.from('no json').toString('base64url')}.${person.token.split('.')[2]}` })],
      ['a token whose header is null', () => ({ authorization: `Bearer ${Buffer.from('null').toString('base64url')}.${person.token.split('.').slice(1).join('.')}` })],
      ['an expired token', () => ({ authorization: `Bearer ${forge({ claims: { exp: past } })}` })],
      ['an unsigned token (alg none)', () => ({ authorization: `Bearer ${forge({ alg: 'none' })}` })],
      ['another algorithm, though with the right secret', () => ({ authorization: `Bearer ${forge({ alg: 'HS512' })}` })],
      ['a token signed by somebody else', () => ({ authorization: `Bearer ${forge({ secret: 'x'.repeat(43) })}` })],
      ['a token whose claims were edited', () => ({ authorization: `Bearer ${[person.token.split('.')[0], encoded({ ...claimsOf(person.token), sub: other.userId }), person.token.split('.')[2]].join('.')}` })],
      ['a token for another audience', () => ({ authorization: `Bearer ${forge({ claims: { aud: 'somebody-else' } })}` })],
      ['a token of another issuer', () => ({ authorization: `Bearer ${forge({ claims: { iss: 'somebody-else' } })}` })],
      ['a token of another type', () => ({ authorization: `Bearer ${forge({ claims: { typ: 'refresh' } })}` })],
      ['a session that never was', () => ({ authorization: `Bearer ${forge({ claims: { sid: '00000000-0000-7000-8000-000000000000' } })}` })],
      ['a session of another tenant', () => ({ authorization: `Bearer ${forge({ claims: { sid: claimsOf(other.token)['sid'] } })}` })],
      ['a session of another person', () => ({ authorization: `Bearer ${forge({ claims: { sub: other.userId } })}` })],
      ['a malformed key', () => ({ 'x-api-key': 'mk_live_tooshort' })],
      ['an empty key', () => ({ 'x-api-key': '' })],
      ['a well-formed key that nobody minted', () => ({ 'x-api-key': mintKey('live').secret })],
      ['such a key as a bearer token', () => ({ authorization: `Bearer ${mintKey('test').secret}` })],
      ['two keys in one header', () => ({ 'x-api-key': `${mintKey('live').secret}, ${mintKey('live').secret}` })],
    ])('is refused with the one answer for bad ones: %s', async (_, headers) => {
      const reference = anonymised(await server.anonymous.get('/auth/me', { authorization: 'Bearer reference' }));
      const refused = await server.anonymous.get('/auth/me', headers());
      expect(refused).toMatchObject({ status: 401, body: { code: 'invalid_credentials', retryable: false } });
      expect(refused.headers.get('www-authenticate')).toBe(RFC6750_BAD_TOKEN);
      expect(anonymised(refused)).toEqual(reference);
    });

    it('is refused with that same answer when it is a key that was revoked, switched off or has expired', async () => {
      const reference = anonymised(await server.anonymous.get('/auth/me', { authorization: 'Bearer reference' }));
      const keys = await Promise.all([createKey(person.client, ['read']), createKey(person.client, ['read']), createKey(person.client, ['read'])]);
      const [revoked, inactive, expired] = keys;
      for (const key of keys) expect((await key.client.get('/auth/me')).status).toBe(200);
      await person.client.delete(`/api/v1/api-keys/${revoked.id}`);
      await person.client.patch(`/api/v1/api-keys/${inactive.id}`, { status: 'inactive' });
      await server.database.query(`UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1`, [expired.id]);
      for (const key of keys) expect(anonymised(await key.client.get('/auth/me'))).toEqual(reference);
    });

    it('may be a key as a bearer token, in any case of the scheme', async () => {
      const key = await createKey(person.client, ['read']);
      for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
        expect(await server.anonymous.get('/auth/me', { authorization: `${scheme} ${key.secret}` })).toMatchObject({ status: 200, body: { api_key: { id: key.id } } });
      }
    });

    it('is missing: 401 with a challenge that calls nothing wrong', async () => {
      const missing = await server.anonymous.get('/api/v1/documents');
      expect(missing).toMatchObject({ status: 401, body: { code: 'unauthenticated', instance: '/api/v1/documents' } });
      expect(missing.headers.get('www-authenticate')).toBe(RFC6750_NO_TOKEN);
      expect(missing.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(missing.headers.get('x-request-id')).toBe(missing.body.request_id);
    });

    it.each(['api_key', 'apikey', 'x-api-key', 'X-API-Key', 'key', 'access_token', 'token'])('in the query string as %s is none', async (parameter) => {
      const key = await createKey(person.client, ['read']);
      const secret = parameter.includes('token') ? person.token : key.secret;
      const missing = anonymised(await server.anonymous.get('/auth/me'));
      expect(anonymised(await server.anonymous.get(`/auth/me?${parameter}=${secret}`))).toEqual(missing);
      await person.client.delete(`/api/v1/api-keys/${key.id}`);
    });

    it('beside another one is ambiguous, even if both are good', async () => {
      const key = await createKey(person.client, ['read']);
      const both = { authorization: `Bearer ${person.token}`, 'x-api-key': key.secret };
      for (const headers of [both, { ...both, authorization: 'Bearer garbage' }, { ...both, authorization: `Bearer ${key.secret}` }]) {
        expect(await server.anonymous.get('/auth/me', headers)).toMatchObject({ status: 400, body: { code: 'ambiguous_credentials' } });
      }
    });

    it('is ignored where none is needed', async () => {
      const bad = { authorization: 'Bearer garbage', 'x-api-key': 'mk_live_garbage' };
      expect((await server.anonymous.get('/health/live', bad)).status).toBe(200);
      expect((await server.anonymous.post('/auth/login', { email: person.email, password: PASSWORD }, bad)).status).toBe(200);
      expect((await server.anonymous.post('/auth/register', { name: 'Ignored', email: 'ignored@example.com', password: PASSWORD }, bad)).status).toBe(201);
    });
  });
});
