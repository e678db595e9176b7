// A fixed share of one processor for a process and its children, as a machine of that size would give them: cgroups of Linux, which take root.
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';
/** Short, so that whoever has used up its share goes on soon. */
const PERIOD_US = 20_000;
const TICKS_A_SECOND = 100;

const V1 = { directory: join(ROOT, 'cpu'), limit: (at, quota) => [['cpu.cfs_period_us', PERIOD_US], ['cpu.cfs_quota_us', quota]].forEach(([file, value]) => writeFileSync(join(at, file), String(value))) };
const V2 = { directory: ROOT, limit: (at, quota) => writeFileSync(join(at, 'cpu.max'), `${quota} ${PERIOD_US}`) };

function versionHere() {
  const names = readdirSync(ROOT);
  if (!names.includes('cgroup.controllers')) return V1;
  writeFileSync(join(ROOT, 'cgroup.subtree_control'), '+cpu');
  return V2;
}

/** Of a process, in ticks: its own and that of children that have ended, which were its own as well; `[parent, ticks]`, null when it is gone. */
function statOf(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
    return { parent: Number(fields[1]), ticks: fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) };
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return null;
    throw error;
  }
}

const secondsOf = (pids) => pids.reduce((sum, pid) => sum + (statOf(pid)?.ticks ?? 0), 0) / TICKS_A_SECOND;

/** @returns the seconds that a process and its children, living or not, have taken of all processors */
export function familySeconds(pid) {
  const children = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && statOf(name)?.parent === pid);
  return secondsOf([pid, ...children]);
}

/** @returns the seconds in which processors had nothing to do, all of them together */
export const idleSeconds = () => readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/\s+/).slice(4, 6).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_A_SECOND;

export class ProcessorShare {
  #directory;

  constructor(name, share) {
    const { directory, limit } = versionHere();
    this.#directory = join(directory, `morag-bench-${process.pid}-${name}`);
    mkdirSync(this.#directory);
    limit(this.#directory, Math.round(share * PERIOD_US));
  }

  static of(share, pid) {
    const group = new ProcessorShare(pid, share);
    writeFileSync(join(group.#directory, 'cgroup.procs'), String(pid));
    return group;
  }

  /** When its processes have ended; a child of theirs may take a moment longer. */
  async end() {
    for (const deadline = performance.now() + 5000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
      try {
        return rmdirSync(this.#directory);
      } catch (error) {
        if (error.code !== 'EBUSY' || performance.now() > deadline) throw error;
      }
    }
  }
}

/** @returns why no process can be given a share here, null when it can */
export async function obstacleToShares() {
  try {
    await new ProcessorShare('trial', 1).end();
    return null;
  } catch (error) {
    return error.message;
  }
}
