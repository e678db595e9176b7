import { constants, setPriority } from 'node:os';
import { errorCode } from './error-code.js';

/**
 * Requests and the database go first on a machine that is busy; on an idle one nothing changes. For work that nobody waits for at this moment.
 * @param pid of a child; 0 is this process
 */
export function giveWayToRequests(pid = 0): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch (error) {
    // A child that has ended already.
    if (errorCode(error) !== 'ERR_SYSTEM_ERROR') throw error;
  }
}
