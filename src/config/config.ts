import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { errorCode, errorMessage } from '../common/error-code.js';
import type { BlobPlace } from './blob-address.js';
import { readEnv, StartupError, type Env } from './env.js';
import { refuseUnfinishedRestore } from './unfinished-restore.js';

/** Of Amazon's, and so of all that are like it: 5 GiB in one PUT. */
const LARGEST_OBJECT_MB = 5 * 1024;

/** In DATA_DIR. */
export const SECRETS_FILE = 'secrets.json';

export interface Secrets {
  jwt: string;
  sealing: string;
}

/** Node's own recursion never ends below /proc, where a parent exists in which nothing can be made. */
function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return;
    if (errorCode(error) !== 'ENOENT' || existsSync(path.dirname(directory))) throw error;
    makeDirectory(path.dirname(directory));
    makeDirectory(directory);
  }
}

function prepareDirectory(variable: string, directory: string): void {
  try {
    makeDirectory(directory);
    const probe = path.join(directory, `.writable-${process.pid}`);
    writeFileSync(probe, '', { flush: false });
    rmSync(probe);
  } catch (error) {
    throw new StartupError(`${variable} ${directory} cannot be written (${errorCode(error)}). Choose another directory or change its permissions.`);
  }
}

function readSecrets(file: string): Secrets {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Secrets;
  } catch (error) {
    throw new StartupError(`${file} cannot be read (${errorMessage(error)}). Restore it, or remove it: then everybody has to sign in again.`, { cause: error });
  }
}

/**
 * Secrets that nobody configured, made once and kept with mode 0600.
 * Created exclusively, so that of two processes starting at once one writes and the other reads.
 */
function generatedSecrets(directory: string): Secrets {
  const file = path.join(directory, SECRETS_FILE);
  const fresh: Secrets = { jwt: randomBytes(32).toString('base64url'), sealing: randomBytes(32).toString('base64url') };
  try {
    const staged = `${file}.${process.pid}`;
    writeFileSync(staged, JSON.stringify(fresh), { mode: 0o600, flush: true });
    try {
      linkSync(staged, file);
    } finally {
      rmSync(staged);
    }
    return fresh;
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    return readSecrets(file);
  }
}

/** Everything the modules may know about how this process was set up. */
export class Config {
  readonly dataDir: string;
  readonly blobPlace: BlobPlace;
  /** Of the built-in vector store. */
  readonly vectorDir: string;
  /** May be absent. */
  readonly modelDir: string;
  readonly docsEnabled: boolean;
  readonly maxUploadBytes: number;
  /** The first one signs, all are accepted. */
  readonly jwtSecrets: readonly string[];
  /** The first one seals and signs, all open what is sealed. */
  readonly sealingKeys: readonly [string, ...string[]];

  constructor(readonly env: Env) {
    this.dataDir = path.resolve(env.DATA_DIR);
    prepareDirectory('DATA_DIR', this.dataDir);
    this.blobPlace = env.BLOB_STORE ?? { kind: 'directory', directory: pathToFileURL(path.join(this.dataDir, 'blobs')) };
    if (this.blobPlace.kind === 'directory') prepareDirectory('BLOB_STORE', fileURLToPath(this.blobPlace.directory));
    else if (env.MAX_UPLOAD_MB > LARGEST_OBJECT_MB) throw new StartupError(`MAX_UPLOAD_MB must be at most ${LARGEST_OBJECT_MB} with a BLOB_STORE on S3, which takes no more in one request.`);
    this.vectorDir = path.join(this.dataDir, 'vectors');
    this.modelDir = path.resolve(env.EMBEDDING_MODEL_DIR ?? path.join(this.dataDir, 'models'));
    this.docsEnabled = env.DOCS_ENABLED ?? env.NODE_ENV !== 'production';
    this.maxUploadBytes = env.MAX_UPLOAD_MB * 1024 * 1024;
    const generated = env.JWT_SECRET === undefined || env.SEALING_KEY === undefined ? generatedSecrets(this.dataDir) : undefined;
    this.jwtSecrets = [env.JWT_SECRET ?? generated!.jwt, ...(env.JWT_SECRET_PREVIOUS === undefined ? [] : [env.JWT_SECRET_PREVIOUS])];
    this.sealingKeys = [env.SEALING_KEY ?? generated!.sealing, ...(env.SEALING_KEY_PREVIOUS === undefined ? [] : [env.SEALING_KEY_PREVIOUS])];
  }

  /** For the server, which must not run on half a restore. @throws StartupError */
  static fromEnvironment(): Config {
    const config = new Config(readEnv());
    refuseUnfinishedRestore(config.dataDir);
    return config;
  }
}
