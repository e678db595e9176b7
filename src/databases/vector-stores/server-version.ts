import { VectorServerFailure } from './remote-failure.js';

const VERSION = /^v?(\d{1,6})\.(\d{1,6})[\w.+-]{0,40}$/;

/**
 * A version as the server says it, if it is one.
 * @param least the oldest that will do: major and minor
 * @throws VectorServerFailure `wrong_version` when it is older, `unexpected` when it is no version
 */
export function requireVersion(product: string, said: unknown, least: readonly [number, number]): string {
  const match = typeof said === 'string' ? VERSION.exec(said) : null;
  if (!match) throw new VectorServerFailure('unexpected', `The server does not answer as ${product} does. Check host and port.`);
  const [major, minor] = [Number(match[1]), Number(match[2])];
  if (major < least[0] || (major === least[0] && minor < least[1])) {
    throw new VectorServerFailure('wrong_version', `The server is ${product} ${match[0]}; at least ${least.join('.')} is needed.`);
  }
  return match[0];
}
