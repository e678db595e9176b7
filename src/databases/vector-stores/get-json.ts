import type { Outbound } from '../../outbound/outbound.js';
import { failureOnTheWay, VectorServerFailure } from './remote-failure.js';

export interface HttpAnswer {
  status: number;
  /** undefined when it is no JSON. */
  json: unknown;
}

/** Asks a server that speaks HTTP. @throws VectorServerFailure for what is no answer, and for one that refuses the credentials */
export async function getJson(product: string, url: string, headers: Record<string, string>, outbound: Pick<Outbound, 'fetch'>): Promise<HttpAnswer> {
  const { status, text } = await outbound
    .fetch(url, { headers: { accept: 'application/json', ...headers } })
    .then(async (response) => ({ status: response.status, text: await response.text() }))
    .catch((error: unknown) => {
      throw failureOnTheWay(product, error);
    });
  if (status === 401 || status === 403) throw new VectorServerFailure('unauthorized', `${product} answered ${status}.`);
  return { status, json: parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
