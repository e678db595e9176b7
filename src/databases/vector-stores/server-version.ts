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
  if (!isAtLeast(match[0], least)) {
    throw new VectorServerFailure('wrong_version', `The server is ${product} ${match[0]}; at least ${least.join('.')} is needed.`);
  }
  return match[0];
}

/** @param version as `requireVersion` gives it */
export function isAtLeast(version: string, [leastMajor, leastMinor]: readonly [number, number]): boolean {
  const [, major, minor] = VERSION.exec(version) ?? [];
  return Number(major) > leastMajor || (Number(major) === leastMajor && Number(minor) >= leastMinor);
}
