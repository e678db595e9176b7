// A process that is measured: how it is started, talked to, looked at and ended.
import { execFile, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const START_DEADLINE_MS = 60_000;
const PATIENCE_MS = 60_000;

/** A server in a process of its own, which ends with this one. */
export class ServerProcess {
  constructor(name, child, url) {
    this.name = name;
    this.child = child;
    this.url = url;
  }

  static async start(name, script, environment, profile) {
    const execArgv = profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profile, '--cpu-prof-name', `${name}.cpuprofile`];
    const child = fork(fileURLToPath(new URL(`servers/${script}.mjs`, import.meta.url)), {
      execArgv,
      env: { ...process.env, ...environment },
      // The log is written, by system calls of its own, and read by nobody: a reader would take its time from the two that are measured.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // Bytes and dates arrive as what they are.
      serialization: 'advanced',
    });
    return new ServerProcess(name, child, (await answerOf(child, name, START_DEADLINE_MS)).url);
  }

  /** Of user and system, in µs, since the process began. */
  async cpuMicros() {
    this.#send('cpu');
    return (await answerOf(this.child, this.name, PATIENCE_MS)).cpuMicros;
  }

  /** It stands still until it may `go` on. */
  pause() {
    this.child.kill('SIGSTOP');
  }

  go() {
    this.child.kill('SIGCONT');
  }

  /** Has it do something that takes a while, such as a round. */
  async ask(message, patienceMs = PATIENCE_MS) {
    this.#send(message);
    const { failure, ...answer } = await answerOf(this.child, this.name, patienceMs);
    if (failure !== undefined) throw new Error(`the server ${this.name} failed: ${failure}`);
    return answer;
  }

  /** What the process and its children have of the memory, in bytes; what they share with each other is counted for each of them. */
  async residentBytes() {
    const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,rss=']);
    const processes = stdout.trim().split('\n').map((line) => line.trim().split(/\s+/).map(Number));
    const resident = (pid) => processes.reduce((sum, [own, parent, kibibytes]) => sum + (own === pid ? kibibytes * 1024 : 0) + (parent === pid ? resident(own) : 0), 0);
    return resident(this.child.pid);
  }

  async stop() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    const giveUp = setTimeout(() => this.child.kill('SIGKILL'), PATIENCE_MS);
    // A server that stands still hears nothing.
    this.go();
    this.child.disconnect();
    await ended;
    clearTimeout(giveUp);
  }

  #send(message) {
    // To one that has ended: whoever waits for the answer is told so.
    this.child.send(message, () => undefined);
  }
}

function answerOf(child, name, deadlineMs) {
  return new Promise((resolve, reject) => {
    const fail = (why) => {
      stopListening();
      reject(new Error(`the server ${name} ${why}`));
    };
    const onMessage = (message) => {
      stopListening();
      resolve(message);
    };
    const onExit = (code, signal) => fail(`ended (${signal ?? code})`);
    const timer = setTimeout(fail, deadlineMs, `said nothing for ${deadlineMs / 1000} s`);
    const stopListening = () => {
      clearTimeout(timer);
      child.off('message', onMessage).off('exit', onExit);
    };
    child.on('message', onMessage).on('exit', onExit);
  });
}
