import { existsSync } from 'node:fs';
import { chromium, type BrowserContext, type Page } from 'playwright-core';

/** The first draws no window of its own and takes two thirds of the other's time. */
const CHROMIUM = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'].find(existsSync);
const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const browserIsMissing = CHROMIUM === undefined;

/** Opens a page in a fresh headless Chromium and collects what goes wrong in it. */
export async function openBrowser(userDataDir: string): Promise<{ context: BrowserContext; page: Page; complaints: string[] }> {
  const context = await chromium.launchPersistentContext(userDataDir, { executablePath: CHROMIUM!, headless: true, args: ARGUMENTS, viewport: { width: 1280, height: 1000 } });
  const page = context.pages()[0] ?? (await context.newPage());
  // Also where the whole suite shares the processor.
  page.setDefaultTimeout(20_000);
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('requestfailed', (request) => complaints.push(`${request.url()} ${request.failure()?.errorText ?? ''}`));
  return { context, page, complaints };
}
