import { setTimeout as delay } from 'node:timers/promises';
import type { Tenant } from '../support/factories.js';
import type { TwoPairs } from './two-pairs.js';

const WRITERS = 2;
const READERS = 3;
/** Each rests so long between two calls, for the test has but the machine that it runs on. */
const REST_MS = 10;

/** People who send, look, search and read through both API processes all the while, each call at the other one than the last. */
export class Crowd {
  private isOver = false;
  private readonly answers = new Map<string, number>();
  private readonly people: Promise<void>[];

  constructor(
    private readonly pairs: TwoPairs,
    private readonly tenant: Tenant,
  ) {
    this.people = [...Array.from({ length: WRITERS }, (_, at) => this.write(at)), ...Array.from({ length: READERS }, (_, at) => this.read(at))];
    // What goes wrong with one of them is told by `goHome`.
    for (const person of this.people) person.catch(() => undefined);
  }

  /** @returns how often what was answered, such as `search 200` */
  async goHome(): Promise<Record<string, number>> {
    this.isOver = true;
    await Promise.all(this.people);
    return Object.fromEntries(this.answers);
  }

  /** Sends a text to the one, follows its job at the other, and finds it at the first as soon as the job has ended. */
  private async write(at: number): Promise<void> {
    for (let turn = at; !this.isOver; turn++) {
      const [here, there] = [turn % 2, (turn + 1) % 2];
      const sent = this.pairs.compose(this.tenant);
      this.note('send', (await this.pairs.send(sent, { at: here })).status);
      if (!(await this.follow(sent.jobId!, there))) return;
      const { status, body } = await this.pairs.atBoth(this.tenant)[here]!.post('/api/v1/search', { query: sent.word, mode: 'keyword' });
      const found = (body.results ?? []).map((hit: { citation: { document_id: string } }) => hit.citation.document_id);
      this.note(String(found) === sent.documentId ? 'find' : 'miss', status);
    }
  }

  /** @returns whether the job came to an end before all went home */
  private async follow(jobId: string, at: number): Promise<boolean> {
    const client = this.pairs.atBoth(this.tenant)[at]!;
    while (!this.isOver) {
      const { status, body } = await client.get(`/api/v1/jobs/${jobId}`);
      this.note('look', status);
      if (body.status === 'FINISHED') return true;
      await delay(2 * REST_MS);
    }
    return false;
  }

  private async read(at: number): Promise<void> {
    const paths = ['/api/v1/documents?limit=20', '/api/v1/tenant/quotas', '/api/v1/jobs?limit=20'];
    for (let turn = at; !this.isOver; turn++) {
      const { status } = await this.pairs.atBoth(this.tenant)[turn % 2]!.get(paths[turn % paths.length]!);
      this.note('read', status);
      await delay(REST_MS);
    }
  }

  private note(what: string, status: number): void {
    const answer = `${what} ${status}`;
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
  }
}
