// Sends files as forms, so many at a time, each over a connection that stays open.
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';

const BOUNDARY = 'bench-0123456789';
const LINE = 'The keeper of the lighthouse keeps bees, and the bees keep the keeper in honey all winter long, as he says.\n';
const TAIL = Buffer.from(`\r\n--${BOUNDARY}--\r\n`);

/** The beginning of a form; the number of the file makes it another one than all before. */
const headOf = (number) =>
  Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="file-${number}.txt"\r\nContent-Type: text/plain\r\n\r\nFile ${number}\n`);

export class Uploads {
  #agent;
  #text;
  #atATime;

  constructor(megabytes, atATime) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: atATime });
    this.#text = Buffer.alloc(megabytes * 1e6, LINE);
    this.#atATime = atATime;
  }

  /**
   * @param atLeast so many uploads, also when the seconds are over
   * @returns how many there were, how long they took together, and each, in ms
   */
  async round({ url, headers }, seconds, atLeast) {
    const latencies = [];
    let sent = 0;
    const begun = performance.now();
    const loop = async () => {
      while (sent < atLeast || performance.now() - begun < seconds * 1000) {
        sent += 1;
        const before = performance.now();
        await this.#send(url, headers);
        latencies.push(performance.now() - before);
      }
    };
    await Promise.all(Array.from({ length: this.#atATime }, loop));
    return { count: latencies.length, seconds: (performance.now() - begun) / 1000, latencies: latencies.toSorted((a, b) => a - b) };
  }

  close() {
    this.#agent.destroy();
  }

  #send(url, headers) {
    const head = headOf(randomUUID());
    const length = head.length + this.#text.length + TAIL.length;
    return new Promise((resolve, reject) => {
      const sending = request(`${url}/api/v1/ingest/file`, {
        method: 'POST',
        agent: this.#agent,
        headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}`, 'content-length': length, ...headers },
      });
      sending.once('error', reject).once('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part) => (text += part));
        response.once('error', reject).once('end', () => (response.statusCode === 202 ? resolve() : reject(new Error(`an upload was answered ${response.statusCode}: ${text}`))));
      });
      sending.write(head);
      sending.write(this.#text);
      sending.end(TAIL);
    });
  }
}
