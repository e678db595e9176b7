// One person's calls of the API, one at a time over one connection, as a program of theirs would make them.
import { Agent, request } from 'node:http';

export class TenantCalls {
  #url;
  #token;
  #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(url, token) {
    this.#url = url;
    this.#token = token;
  }

  /** @returns the answer, and how long it took in ms, from the first byte sent to the last one read */
  async timed(method, path, body) {
    const begun = performance.now();
    const { status, text } = await this.#send(method, path, JSON.stringify(body));
    const milliseconds = performance.now() - begun;
    if (status >= 300) throw new Error(`${method} ${path} answered ${status}: ${text}`);
    return { answer: text === '' ? null : JSON.parse(text), milliseconds };
  }

  async call(method, path, body) {
    return (await this.timed(method, path, body)).answer;
  }

  /** Somebody else over the same connection. */
  as(token) {
    const other = new TenantCalls(this.#url, token);
    other.#agent = this.#agent;
    return other;
  }

  close() {
    this.#agent.destroy();
  }

  #send(method, path, body = '') {
    const headers = { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    return new Promise((resolve, reject) => {
      const sent = request(`${this.#url}${path}`, { method, headers, agent: this.#agent }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part) => (text += part));
        response.once('end', () => resolve({ status: response.statusCode, text })).once('error', reject);
      });
      sent.once('error', reject).end(body);
    });
  }
}
