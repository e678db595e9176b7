import { createTenant, eventually } from '../support/factories.js';
import type { ServerProcess } from '../support/server-process.js';
import { TestApp } from '../support/test-app.js';
import { answering, Endpoint, hanging, register, verify } from '../support/webhook-receiver.js';
import { WebServer } from '../support/web-server.js';

describe('a sender that is killed', () => {
  let site: WebServer;
  let server: TestApp;
  const senders: ServerProcess[] = [];

  beforeAll(async () => {
    site = await WebServer.start();
    server = await TestApp.start({ ROLE: 'api', OUTBOUND_ALLOW: site.host });
  });
  afterAll(async () => {
    await Promise.all(senders.map((sender) => sender.end('SIGKILL')));
    await server.stop();
    await site.stop();
  });

  async function startSender(): Promise<ServerProcess> {
    const sender = await server.processBeside({ ROLE: 'worker', OUTBOUND_ALLOW: site.host, LOG_LEVEL: 'trace', NODE_ENV: 'test' });
    senders.push(sender);
    return sender;
  }

  it('leaves its delivery to another, which sends it under the same id; no log tells a secret or what an address carries', async () => {
    const tenant = await createTenant(server.anonymous);
    const endpoint = new Endpoint(site.url('/hook?token=in-the-query'), site, '/hook');
    endpoint.answer = hanging;
    const { secret, path } = await register(tenant.client, endpoint);
    await server.database.query(`UPDATE tenant_quotas SET warning_threshold = 1, used = 50 WHERE tenant_id = $1 AND resource = 'documents'`, [tenant.tenantId]);
    const first = await startSender();
    await endpoint.got(1);
    await first.end('SIGKILL');
    endpoint.answer = answering(500);
    const second = await startSender();
    // Until the lease has run out nobody else takes it; the test does not wait for that.
    const [leased] = await server.database.query<{ is: boolean }>('SELECT leased_until > now() AS is FROM webhook_deliveries');
    expect(leased).toEqual({ is: true });
    expect(endpoint.received).toHaveLength(1);
    await server.database.query('UPDATE webhook_deliveries SET leased_until = now()');
    await endpoint.got(2);
    const failed = await eventually(() => tenant.client.get(`${path}/deliveries`), ({ body }) => body.deliveries[0].next_attempt_at !== null && body.deliveries[0].attempt_count === 2);
    endpoint.answer = answering(200);
    const delivery = `${path}/deliveries/${failed.body.deliveries[0].id}`;
    await eventually(() => tenant.client.get(delivery), ({ body }) => body.attempts.length === 1);
    expect((await tenant.client.post(`${delivery}/replay`)).status).toBe(202);
    await endpoint.got(3);
    for (const received of endpoint.received) expect(() => verify(secret, received)).not.toThrow();
    expect(new Set(endpoint.ids).size).toBe(1);
    // Of the attempt that nobody ended nothing was written down but that it began.
    const { body } = await eventually(() => tenant.client.get(delivery), ({ body: seen }) => seen.status === 'delivered');
    expect(body).toMatchObject({ attempt_count: 3, attempts: [{ number: 2, status_code: 500 }, { number: 3, status_code: 200 }] });
    await second.says(/a webhook was not delivered/);
    for (const { printed } of senders) for (const hidden of [secret, secret.slice(6), 'in-the-query']) expect(printed).not.toContain(hidden);
  });
});
