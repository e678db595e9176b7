import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { BrowserContext, Locator, Page } from 'playwright-core';
import { browserIsMissing, openBrowser } from '../support/browser.js';
import { createKey, createTenant, ingestText, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

if (browserIsMissing) console.warn('SKIPPED: Swagger UI is not tested, because there is no Chromium here (apt-get install chromium-headless-shell).');

/** In which the page has its document. */
const INIT = '**/docs/swagger-ui-init.js';

function withOnly(routes: readonly string[], json: string): string {
  const options = JSON.parse(json) as { swaggerDoc: { paths: Record<string, unknown> } };
  const { paths } = options.swaggerDoc;
  options.swaggerDoc.paths = Object.fromEntries(routes.map((route) => [route, paths[route]]));
  return JSON.stringify(options);
}

const EXAMPLES = [
  ['post', '/auth/register', '201'],
  ['post', '/auth/login', '200'],
  ['post', '/api/v1/ingest/text', '202'],
  ['post', '/api/v1/api-keys', '201'],
  ['post', '/api/v1/databases', '201'],
  ['get', '/api/v1/documents', '200'],
  ['get', '/api/v1/jobs', '200'],
  ['get', '/api/v1/api-keys', '200'],
  ['put', '/auth/me', '200'],
  ['put', '/auth/settings', '200'],
] as const;

(browserIsMissing ? describe.skip : describe)('Swagger UI', () => {
  let server: TestApp;
  let tenant: Tenant;
  let profile: string;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    server = await TestApp.start({ DOCS_ENABLED: 'true' });
    tenant = await createTenant(server.anonymous);
    await ingestText(tenant.client, 'Minutes', 'The board approved the budget of 2027.');
    profile = await mkdtemp(path.join(tmpdir(), 'morag-chromium-'));
    ({ context, page, complaints } = await openBrowser(profile));
  });
  afterAll(async () => {
    await context?.close();
    await rm(profile, { recursive: true, force: true });
    await server.stop();
  });
  /**
   * With nobody authorised, since the page remembers credentials, and with these routes alone: it draws all that there are anew at every step,
   * which costs more than everything else here.
   */
  async function open(routes: readonly string[]): Promise<void> {
    await page.unroute(INIT);
    await page.route(INIT, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: (await response.text()).replace(/(?<=let options = )\{[^]*?\n\}(?=;\n)/, (options) => withOnly(routes, options)) });
    });
    await page.goto(`${server.url}/docs/swagger-ui.css`);
    await page.evaluate('localStorage.clear()');
    await page.goto(`${server.url}/docs`);
    await page.locator('.opblock').first().waitFor();
    complaints.length = 0;
  }

  /** Takes a picture where `MORAG_SCREENSHOTS` says so. */
  async function show(name: string): Promise<void> {
    const folder = process.env['MORAG_SCREENSHOTS'];
    if (folder) await page.screenshot({ path: path.join(folder, `${name}.png`) });
  }

  async function authorise(scheme: 'accessToken' | 'apiKey', value: string): Promise<void> {
    await page.locator('.scheme-container button.authorize').click();
    await page.locator('.dialog-ux .auth-container').first().waitFor();
    const container = page.locator('.dialog-ux .auth-container', { hasText: scheme });
    await container.locator('input').fill(value);
    await container.getByRole('button', { name: 'Apply credentials' }).click();
    await show(`authorise-${scheme}`);
    await page.locator('.dialog-ux .close-modal').click();
  }

  async function unfold(method: string, route: string): Promise<Locator> {
    const block = page.locator(`.opblock-${method}`, { has: page.locator(`.opblock-summary-path[data-path="${route}"]`) });
    await block.locator('.opblock-summary-control').click();
    await block.locator('.execute').waitFor();
    return block;
  }

  /** Presses Execute and answers the status and the body as the page shows them. */
  async function execute(block: Locator): Promise<{ status: string; body: string }> {
    await block.locator('.execute').click();
    const answer = block.locator('.live-responses-table .response');
    await answer.waitFor();
    await answer.scrollIntoViewIfNeeded();
    return { status: (await answer.locator('.response-col_status').innerText()).trim(), body: await answer.locator('.highlight-code, .microlight').first().innerText() };
  }

  it('opens without an error or a violation of its own content security policy', async () => {
    complaints.length = 0;
    await page.goto(`${server.url}/docs`);
    await page.locator('.opblock').first().waitFor();
    await show('opened');
    expect(await page.title()).toBe('MoRAG Server');
    expect(await page.locator('.opblock').count()).toBeGreaterThan(20);
    expect(complaints).toEqual([]);
  });

  // To open the page costs more than to use it.
  describe('with an access token', () => {
    beforeAll(() => open(['/api/v1/tenant/info', ...new Set(EXAMPLES.map(([, route]) => route))]));

    it('is one of the two credentials that are offered', async () => {
      await page.locator('.scheme-container button.authorize').click();
      const offered = await page.locator('.dialog-ux .auth-container h4').allInnerTexts();
      expect(offered.map((text) => text.split(/\s/)[0])).toEqual(['accessToken', 'apiKey']);
      await show('authorise');
      await page.locator('.dialog-ux .close-modal').click();
    });

    it('reads the tenant', async () => {
      await authorise('accessToken', tenant.token);
      const { status, body } = await execute(await unfold('get', '/api/v1/tenant/info'));
      await show('tenant-info');
      expect(status).toMatch(/^200/);
      expect(body).toContain(tenant.tenantId);
      expect(complaints).toEqual([]);
    });

    it.each(EXAMPLES)('offers an example that works as it stands: %s %s', async (method, route, expected) => {
      const block = await unfold(method, route);
      const { status, body } = await execute(block);
      await show(`example-${method}${route.replaceAll('/', '-')}`);
      // The page draws all that is unfolded anew at every step.
      await block.locator('.opblock-summary-control').click();
      expect({ status: status.slice(0, 3), body }).toMatchObject({ status: expected });
    });
  });

  describe('with an API key', () => {
    beforeAll(async () => {
      await open(['/api/v1/search', '/api/v1/ingest/file']);
      await authorise('apiKey', (await createKey(tenant.client, ['read', 'search', 'ingest'])).secret);
    });

    it('searches with the example as it stands', async () => {
      const { status, body } = await execute(await unfold('post', '/api/v1/search'));
      await show('search');
      expect({ status: status.slice(0, 3), body }).toMatchObject({ status: '200' });
      expect(body).toContain('approved the budget');
      expect(complaints).toEqual([]);
    });

    it('uploads a file through the form as it stands', async () => {
      const block = await unfold('post', '/api/v1/ingest/file');
      await block.locator('input[type=file]').setInputFiles({ name: 'note.txt', mimeType: 'text/plain', buffer: Buffer.from('A note from the browser.') });
      await show('upload-form');
      const { status, body } = await execute(block);
      await show('upload');
      expect(`${status} ${body}`).toMatch(/^202/);
      expect(complaints).toEqual([]);
    });
  });
});
