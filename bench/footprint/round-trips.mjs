// Counts what the server asks of its database, in the server's own process.
import pg from 'pg';

/** As PostgreSQL sees the connections of the server's pool. */
export const POOL = 'morag';

/** Every query of every connection of this process, by whose connection it is: each is one round trip, or part of the one before when that has no answer yet. */
export class RoundTrips {
  counts = {};
  #owners = new WeakMap();
  /** Queries that have no answer yet. */
  #open = new WeakMap();

  constructor() {
    const count = (client) => this.#count(client);
    const change = (client, by) => this.#open.set(client, (this.#open.get(client) ?? 0) + by);
    const isWaiting = (client) => this.#open.get(client) > 0;
    const { query } = pg.Client.prototype;
    pg.Client.prototype.query = function (...sent) {
      if (!isWaiting(this)) count(this);
      const answer = query.apply(this, sent);
      if (typeof answer?.then !== 'function') return answer;
      change(this, 1);
      const answered = () => change(this, -1);
      answer.then(answered, answered);
      return answer;
    };
  }

  #count(client) {
    if (!this.#owners.has(client)) this.#owners.set(client, client.connectionParameters.application_name ?? 'unnamed');
    const owner = this.#owners.get(client);
    this.counts[owner] = (this.counts[owner] ?? 0) + 1;
  }

  /** Of the server's pool alone, a call, without what goes by the clock meanwhile. */
  async perCall(calls, idleASecond, work) {
    const [before, begun] = [this.counts[POOL], performance.now()];
    for (let call = 0; call < calls; call++) await work(call);
    return (this.counts[POOL] - before - (idleASecond * (performance.now() - begun)) / 1000) / calls;
  }
}
