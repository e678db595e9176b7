import { buildMessage, ValidateBy, type ValidationOptions } from 'class-validator';
import ipaddr from 'ipaddr.js';

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** An address stands for the range of itself; an IPv4 address in IPv6 clothes is its IPv4 address. */
function parseRange(text: string): Range | null {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text);
  // parseCIDR is strict; isValid alone would let `127.1` and `0x7f.1` through.
  if (!ipaddr.IPv4.isValidFourPartDecimal(text) && !ipaddr.IPv6.isValid(text)) return null;
  const address = ipaddr.process(text);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}

/** Whether the text is an IPv4 or IPv6 address or a CIDR range. */
export const isAddressRange = (text: string): boolean => parseRange(text) !== null;

/** Whether the address lies in one of the ranges. An empty list allows every address. */
export function isAllowedAddress(address: string, ranges: readonly string[]): boolean {
  if (ranges.length === 0) return true;
  if (!ipaddr.isValid(address)) return false;
  const candidate = ipaddr.process(address);
  return ranges.some((text) => {
    const range = parseRange(text);
    return range !== null && range[0].kind() === candidate.kind() && candidate.match(range);
  });
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
