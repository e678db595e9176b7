import { buildMessage, ValidateBy, type ValidationOptions } from 'class-validator';
import ipaddr from 'ipaddr.js';
import { LRUCache } from 'lru-cache';

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

const BITS = { ipv4: 32, ipv6: 128 } as const;

/** A range of IPv4 addresses in IPv6 clothes is that range of IPv4 addresses, since callers are undressed likewise. */
function undressed([address, bits]: Range): Range {
  if (address.kind() !== 'ipv6' || bits < 96 || !(address as ipaddr.IPv6).isIPv4MappedAddress()) return [address, bits];
  return [(address as ipaddr.IPv6).toIPv4Address(), bits - 96];
}

/** Ranges that were parsed before: those of a key are asked for on each of its requests. */
const parsed = new LRUCache<string, { range: Range | null }>({ max: 10_000 });

function rangeOf(text: string): Range | null {
  const known = parsed.get(text) ?? { range: parseRange(text) };
  parsed.set(text, known);
  return known.range;
}

/** An address stands for the range of itself. */
function parseRange(text: string): Range | null {
  const [address = ''] = text.split('/');
  // ipaddr.js alone would let `127.1`, `0x7f.1` and zones such as `fe80::1%eth0` through.
  if (address.includes('%') || (!ipaddr.IPv4.isValidFourPartDecimal(address) && !ipaddr.IPv6.isValid(address))) return null;
  if (text.includes('/')) return ipaddr.isValidCIDR(text) ? undressed(ipaddr.parseCIDR(text)) : null;
  const single = ipaddr.parse(address);
  return undressed([single, BITS[single.kind()]]);
}

/** Whether the text is an IPv4 or IPv6 address or a CIDR range. */
export const isAddressRange = (text: string): boolean => parseRange(text) !== null;

function contains([network, bits]: Range, [address, addressBits]: Range): boolean {
  return network.kind() === address.kind() && addressBits >= bits && address.match([network, bits] as [never, number]);
}

/** Whether the whole range, however it is written, lies in one of the ranges. */
export function isWithinRanges(range: string, ranges: readonly string[]): boolean {
  const candidate = parseRange(range);
  return (
    candidate !== null &&
    ranges.some((text) => {
      const allowed = rangeOf(text);
      return allowed !== null && contains(allowed, candidate);
    })
  );
}

/** Whether the address lies in one of the ranges. An empty list allows every address. */
export function isAllowedAddress(address: string, ranges: readonly string[]): boolean {
  // The zone says on which of our own interfaces a link-local caller stands.
  return ranges.length === 0 || isWithinRanges(address.split('%')[0] ?? '', ranges);
}

/** Some proxies add the client's port, which would make every connection another client. */
const withoutPort = (address: string): string => /^\[(.+)\](?::\d+)?$/.exec(address)?.[1] ?? /^([\d.]+):\d+$/.exec(address)?.[1] ?? address;

/** The part of an address by which callers are told apart: whoever has one IPv6 address has the 2^64 beside it. */
export function networkOf(address: string): string {
  const range = parseRange(withoutPort(address.split('%')[0] ?? ''));
  if (range === null) return address;
  const [network] = range;
  if (network.kind() === 'ipv4') return network.toString();
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${network.toString()}/64`).toString()}/64`;
}

/** Validates an IPv4 or IPv6 address or CIDR range. */
export function IsIpRange(options?: ValidationOptions): PropertyDecorator {
  return ValidateBy(
    {
      name: 'isIpRange',
      validator: {
        validate: (value: unknown) => typeof value === 'string' && isAddressRange(value),
        defaultMessage: buildMessage((each) => `${each}$property must be an IP address or a CIDR range`, options),
      },
    },
    options,
  );
}
