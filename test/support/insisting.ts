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
