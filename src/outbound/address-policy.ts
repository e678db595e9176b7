import ipaddr from 'ipaddr.js';

const GLOBAL_UNICAST_V6 = ipaddr.IPv6.parse('2000::');

/** Where a URL leads, in the canonical spelling of WHATWG URL parsing. */
export interface Target {
  /** Lower-case name without a trailing dot, or an address without brackets. */
  host: string;
  /** Explicit port, or the scheme's own (80, 443). */
  port: number;
  /** Whether `host` is an address, so that no name server is asked. */
  literal: boolean;
}

/**
 * Tells whether an address may be reached by anyone on the Internet, after the IANA special-purpose registries
 * (RFC 6890) and the classes of Stripe's Smokescreen. Every form that carries an IPv4 address inside an IPv6 one
 * (mapped, compatible, NAT64, 6to4, Teredo) is refused, whatever it carries.
 * @param address IPv4 in four decimal parts, or IPv6 without brackets; anything else is refused
 */
export function isGlobalUnicast(address: string): boolean {
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return ipaddr.IPv4.parse(address).range() === 'unicast';
  if (!ipaddr.IPv6.isValid(address)) return false;
  const v6 = ipaddr.IPv6.parse(address);
  // Only 2000::/3 is given out at all (RFC 4291 §2.4), so what the library has no name for is refused as well.
  return !v6.zoneId && v6.match(GLOBAL_UNICAST_V6, 3) && v6.range() === 'unicast';
}

/** Tells whether two spellings mean the same address, an IPv4-mapped one counting as the IPv4 address it maps. */
export function isSameAddress(a: string, b: string): boolean {
  if (!ipaddr.isValid(a) || !ipaddr.isValid(b)) return false;
  return ipaddr.process(a).toNormalizedString() === ipaddr.process(b).toNormalizedString();
}

/**
 * Reads a URL as an outbound target. WHATWG parsing unmasks `127.1`, `0x7f000001`, `0` and full-width digits.
 * @returns undefined unless it is http or https, has a host and no user name or password
 */
export function parseTarget(url: string | URL): Target | undefined {
  const parsed = URL.parse(String(url));
  if (!parsed || !['http:', 'https:'].includes(parsed.protocol)) return undefined;
  if (parsed.username || parsed.password) return undefined;
  const host = canonicalHost(parsed.hostname);
  if (host === '') return undefined;
  const port = parsed.port === '' ? (parsed.protocol === 'https:' ? 443 : 80) : Number(parsed.port);
  return { host, port, literal: ipaddr.isValid(host) };
}

/** The private hosts an operator has named, which are exempt from classification. */
export class AllowList {
  private readonly entries: { host: string; port: number | undefined }[];

  /**
   * @param entries `host` (any port) or `host:port`; IPv6 in brackets, or bare when it has no port
   * @throws Error naming the entry that cannot be read
   */
  constructor(entries: readonly string[]) {
    this.entries = entries.map(parseEntry);
  }

  has(host: string, port: number): boolean {
    return this.entries.some((entry) => entry.host === host && (entry.port ?? port) === port);
  }
}

function parseEntry(entry: string): { host: string; port: number | undefined } {
  const text = entry.trim();
  const authority = ipaddr.IPv6.isValid(text) ? `[${text}]` : text;
  const url = URL.parse(`http://${authority}/`);
  if (!url || url.username !== '' || url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new Error(`The allowed outbound host "${entry}" must be host or host:port.`);
  }
  const port = /:(\d+)$/.exec(authority)?.[1];
  return { host: canonicalHost(url.hostname), port: port === undefined ? undefined : Number(port) };
}

/** Without the brackets of an IPv6 literal and the trailing dot of an absolute name. */
function canonicalHost(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
}
