import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ApiClient } from './api-client.js';
import { ADMIN, type TestApp } from './test-app.js';

export const PASSWORD = 'correct-horse-battery';

/** A registered person who has signed in. */
export interface Tenant {
  userId: string;
  tenantId: string;
  email: string;
  token: string;
  client: ApiClient;
}

export async function signIn(anonymous: ApiClient, email: string, password: string): Promise<string> {
  const { status, body } = await anonymous.post('/auth/login', { email, password });
  if (status !== 200) throw new Error(`login answered ${status}: ${JSON.stringify(body)}`);
  return (body as { access_token: string }).access_token;
}

export async function createTenant(anonymous: ApiClient, name = 'Ada Lovelace'): Promise<Tenant> {
  const email = `${randomBytes(6).toString('hex')}@example.com`;
  const registered = await anonymous.post('/auth/register', { name, email, password: PASSWORD });
  if (registered.status !== 201) throw new Error(`register answered ${registered.status}: ${JSON.stringify(registered.body)}`);
  const token = await signIn(anonymous, email, PASSWORD);
  const client = anonymous.asUser(token);
  const info = await client.get<{ tenant_id: string }>('/api/v1/tenant/info');
  return { userId: (registered.body as { id: string }).id, tenantId: info.body.tenant_id, email, token, client };
}

export async function createKey(owner: ApiClient, permissions: string[], more: Record<string, unknown> = {}): Promise<{ id: string; secret: string; client: ApiClient }> {
  const { status, body } = await owner.post('/api/v1/api-keys', { name: randomBytes(6).toString('hex'), permissions, ...more });
  if (status !== 201) throw new Error(`creating a key answered ${status}: ${JSON.stringify(body)}`);
  const created = body as { api_key: { id: string }; secret_key: string };
  return { id: created.api_key.id, secret: created.secret_key, client: owner.asApiKey(created.secret_key) };
}

export async function administrator(server: TestApp): Promise<ApiClient> {
  return server.anonymous.asUser(await signIn(server.anonymous, ADMIN.email, ADMIN.password));
}

/** Changes somebody's role or activity as the administrator does; the person's sessions end. */
export async function changeStanding(admin: ApiClient, userId: string, change: { role?: string; is_active?: boolean }): Promise<void> {
  const { status, body } = await admin.patch(`/admin/users/${userId}`, change);
  if (status !== 200) throw new Error(`changing a user answered ${status}: ${JSON.stringify(body)}`);
}

/** All tests come from one address, which would be throttled for the wrong passwords of them all. */
export async function forgetFailedSignIns(server: Pick<TestApp, 'database'>): Promise<void> {
  await server.database.query('DELETE FROM login_attempts');
}

export interface TaskStatus {
  status: 'pending' | 'in_progress' | 'completed' | 'failed' | 'cancelled';
  progress: number;
  error: string | null;
}

/** Polls until the condition holds; fails with what it saw last. */
export async function eventually<T>(look: () => Promise<T>, holds: (seen: T) => boolean, timeoutMs = 20_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (Date.now() > deadline) throw new Error(`never came true; last seen: ${JSON.stringify(seen)}`);
    await delay(50);
  }
}

/** Waits until the job has ended, one way or another. */
export async function waitForTask(client: ApiClient, taskId: string): Promise<TaskStatus> {
  const look = async (): Promise<TaskStatus> => (await client.get<TaskStatus>(`/api/v1/status/${taskId}`)).body;
  return eventually(look, ({ status }) => status !== 'pending' && status !== 'in_progress');
}

/** Sends a text, waits until it is searchable, and answers the document's id. */
export async function ingestText(client: ApiClient, title: string, content: string, more: Record<string, unknown> = {}): Promise<string> {
  const accepted = await client.post<{ task_id: string; document_id: string }>('/api/v1/ingest/text', { title, content, ...more });
  if (accepted.status !== 202) throw new Error(`ingest answered ${accepted.status}: ${JSON.stringify(accepted.body)}`);
  const ended = await waitForTask(client, accepted.body.task_id);
  if (ended.status !== 'completed') throw new Error(`the job ended as ${JSON.stringify(ended)}`);
  return accepted.body.document_id;
}
