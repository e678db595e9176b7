import { isAllowedAddress } from './ip-ranges.js';

describe('address ranges of a key', () => {
  it.each([
    ['203.0.113.7', ['203.0.113.7'], true],
    ['203.0.113.8', ['203.0.113.7'], false],
    ['10.1.2.3', ['10.0.0.0/8'], true],
    ['11.1.2.3', ['10.0.0.0/8'], false],
    ['::ffff:10.1.2.3', ['10.0.0.0/8'], true],
    ['2001:db8::5', ['2001:db8::/32'], true],
    ['2001:db9::5', ['2001:db8::/32'], false],
    ['10.1.2.3', ['2001:db8::/32'], false],
    ['10.1.2.3', [], true],
    ['', ['0.0.0.0/0'], false],
  ])('%s against %j is %p', (address, ranges, allowed) => {
    expect(isAllowedAddress(address, ranges)).toBe(allowed);
  });
});
