import { errorCode } from '../../src/common/error-code.js';

/** PostgreSQL's, for a lock that was not to be had in the time given. */
const LOCK_NOT_AVAILABLE = '55P03';

/** As the queue does with the upkeep of months, which waits for nobody's lock for long: what did not get through comes again. */
export async function insistOn<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (errorCode(error) !== LOCK_NOT_AVAILABLE) throw error;
    }
  }
}

/** As a client does whom a server tells that it gets no connection to the database within five seconds, which on a busy machine is true of some of many at once. */
export async function untilAnswered<A extends { status: number }>(ask: () => Promise<A>): Promise<A> {
  for (;;) {
    const answer = await ask();
    if (answer.status !== 503) return answer;
  }
}
