import { createTenant, eventually } from '../support/factories.js';
import type { ServerProcess } from '../support/server-process.js';
import { TestApp } from '../support/test-app.js';
import { answering, Endpoint, hanging, register, verify } from '../support/webhook-receiver.js';
import { WebServer } from '../support/web-server.js';

const TO_START = 60_000;

describe('a sender', () => {
  let site: WebServer;
  let server: TestApp;
  let worker: ServerProcess;
  let other: TestApp | undefined;

  beforeAll(async () => {
    site = await WebServer.start();
    server = await TestApp.start({ ROLE: 'api', OUTBOUND_ALLOW: site.host });
    worker = await server.processBeside({ ROLE: 'worker', OUTBOUND_ALLOW: site.host, LOG_LEVEL: 'trace' });
  }, TO_START);
  afterAll(async () => {
    await worker.end('SIGKILL');
    await other?.app.close();
    await server.stop();
    await site.stop();
  });

  it(
    'that is killed leaves its delivery to another, which sends it under the same id; and no log tells a secret or what an address carries',
    async () => {
      const tenant = await createTenant(server.anonymous);
      const endpoint = new Endpoint(site.url('/hook?token=in-the-query'), site, '/hook');
      const { secret, path } = await register(tenant.client, endpoint);
      endpoint.answer = answering(500);
      await server.database.query(`UPDATE tenant_quotas SET warning_threshold = 1, used = 50 WHERE tenant_id = $1 AND resource = 'documents'`, [tenant.tenantId]);
      await worker.says(/a webhook was not delivered/);
      endpoint.answer = hanging;
      await server.database.query('UPDATE webhook_deliveries SET due_at = now()');
      await endpoint.got(2);
      await worker.end('SIGKILL');
      for (const hidden of [secret.slice('whsec_'.length), 'in-the-query']) expect(worker.printed).not.toContain(hidden);

      endpoint.answer = answering(200);
      other = await server.beside({ ROLE: 'worker', OUTBOUND_ALLOW: site.host });
      // Until the lease has run out nobody else takes it; the test does not wait for that.
      const [leased] = await server.database.query<{ is: boolean }>('SELECT leased_until > now() AS is FROM webhook_deliveries');
      expect([leased, endpoint.received.length]).toEqual([{ is: true }, 2]);
      await server.database.query('UPDATE webhook_deliveries SET leased_until = now()');
      await endpoint.got(3);
      expect(new Set(endpoint.ids).size).toBe(1);
      for (const received of endpoint.received) expect(() => verify(secret, received)).not.toThrow();
      const [delivery] = (await tenant.client.get(`${path}/deliveries`)).body.deliveries;
      const { body } = await eventually(() => tenant.client.get(`${path}/deliveries/${delivery.id}`), ({ body: seen }) => seen.status === 'delivered');
      // Of the attempt that nobody ended nothing was written down but that it began.
      expect(body).toMatchObject({ attempt_count: 3, attempts: [{ number: 1, status_code: 500 }, { number: 3, status_code: 200 }] });
    },
    TO_START,
  );
});
