import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import type { ApiClient } from './api-client.js';
import { eventually } from './factories.js';
import { WebServer } from './web-server.js';

export interface Received {
  headers: IncomingHttpHeaders;
  text: string;
  message: { type: string; timestamp: string; data: Record<string, unknown> };
}

type Answer = (response: ServerResponse, received: Received) => void;

export const answering =
  (status: number, headers: Record<string, string> = {}, body = ''): Answer =>
  (response) =>
    response.writeHead(status, headers).end(body);
/** Takes the request and never says anything. */
export const hanging: Answer = () => undefined;

/** One endpoint of somebody's, which keeps what it was sent. */
export class Endpoint {
  readonly received: Received[] = [];
  answer: Answer = answering(204);

  constructor(
    readonly url: string,
    site: WebServer,
    path: string,
  ) {
    site.pages[path] = (request, response) => {
      void buffer(request).then((body) => {
        const text = body.toString('utf8');
        const received = { headers: request.headers, text, message: JSON.parse(text) as Received['message'] };
        this.received.push(received);
        this.answer(response, received);
      });
    };
  }

  get types(): string[] {
    return this.received.map(({ message }) => message.type);
  }

  get ids(): string[] {
    return this.received.map(({ headers }) => headers['webhook-id'] as string);
  }

  /** Waits for so many requests in all. */
  async got(count: number): Promise<Received[]> {
    return eventually(
      () => Promise.resolve(this.received),
      ({ length }) => length >= count,
    );
  }
}

/** The reference library of Standard Webhooks; throws unless the secret signed it. */
export const verify = (secret: string, { text, headers }: Received): unknown => new Webhook(secret).verify(text, headers as Record<string, string>);

/** Registers an endpoint, and answers the webhook's id and secret. */
export async function register(client: ApiClient, { url }: Endpoint, events: string[] = ['*']): Promise<{ id: string; secret: string; path: string }> {
  const { status, body } = await client.post('/api/v1/webhooks', { url, events });
  if (status !== 201) throw new Error(`creating a webhook answered ${status}: ${JSON.stringify(body)}`);
  return { id: body.webhook.id, secret: body.secret, path: `/api/v1/webhooks/${body.webhook.id}` };
}
