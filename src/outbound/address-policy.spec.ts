import fc from 'fast-check';
import { AllowList, isGlobalUnicast, isSameAddress, parseTarget } from './address-policy.js';

describe('isGlobalUnicast', () => {
  it.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700:4700::1111', '2a00:1450:4001::200e'])(
    'lets %s through',
    (address) => expect(isGlobalUnicast(address)).toBe(true),
  );

  it.each([
    ['this network', '0.0.0.0'],
    ['this network', '0.1.2.3'],
    ['private', '10.0.0.1'],
    ['private', '172.31.255.255'],
    ['private', '192.168.1.1'],
    ['carrier NAT', '100.64.0.1'],
    ['loopback', '127.255.255.254'],
    ['cloud metadata', '169.254.169.254'],
    ['IETF protocols', '192.0.0.192'],
    ['documentation', '192.0.2.1'],
    ['documentation', '198.51.100.1'],
    ['documentation', '203.0.113.1'],
    ['6to4 relays', '192.88.99.1'],
    ['benchmarking', '198.19.255.255'],
    ['multicast', '224.0.0.1'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['mapped', '::ffff:127.0.0.1'],
    ['mapped public', '::ffff:8.8.8.8'],
    ['compatible', '::127.0.0.1'],
    ['compatible', '::7f00:1'],
    ['translated', '::ffff:0:127.0.0.1'],
    ['NAT64', '64:ff9b::7f00:1'],
    ['local NAT64', '64:ff9b:1::a00:1'],
    ['discard', '100::1'],
    ['Teredo', '2001:0:7f00:1::'],
    ['documentation', '2001:db8::1'],
    ['documentation', '3fff::1'],
    ['6to4', '2002:7f00:1::1'],
    ['unique local', 'fd00:ec2::254'],
    ['link-local', 'fe80::1'],
    ['link-local with zone', 'fe80::1%eth0'],
    ['public with zone', '2606:4700:4700::1111%eth0'],
    ['site-local', 'fec0::1'],
    ['multicast', 'ff02::1'],
    ['unassigned', '4000::1'],
    ['not an address', 'example.com'],
    ['short form', '127.1'],
    ['nothing', ''],
  ])('refuses %s %s', (_kind, address) => expect(isGlobalUnicast(address)).toBe(false));

  it('refuses every private IPv4 address inside any IPv6 form', () => {
    const prefixes = ['::', '::ffff:', '::ffff:0:', '64:ff9b::', '64:ff9b:1::'];
    const octet = fc.nat(255);
    fc.assert(
      fc.property(fc.constantFrom(...prefixes), octet, octet, octet, (prefix, a, b, c) => {
        expect(isGlobalUnicast(`${prefix}10.${a}.${b}.${c}`)).toBe(false);
      }),
    );
  });
});

describe('parseTarget', () => {
  it.each([
    ['http://127.1/', '127.0.0.1'],
    ['http://0x7f000001/', '127.0.0.1'],
    ['http://2130706433/', '127.0.0.1'],
    ['http://0177.0.0.1/', '127.0.0.1'],
    ['http://0/', '0.0.0.0'],
    ['http://127.0.0.1./', '127.0.0.1'],
    ['http://１２７.０.０.１/', '127.0.0.1'],
    ['http://①②⑦.0.0.1/', '127.0.0.1'],
    ['http://%31%32%37.0.0.1/', '127.0.0.1'],
    ['http://[::ffff:7f00:1]/', '::ffff:7f00:1'],
    ['http://[::127.0.0.1]/', '::7f00:1'],
    ['http://[64:ff9b::127.0.0.1]/', '64:ff9b::7f00:1'],
  ])('unmasks %s', (url, host) => {
    expect(parseTarget(url)).toEqual({ host, port: 80, literal: true });
    expect(isGlobalUnicast(host)).toBe(false);
  });

  it('reads names, default ports and trailing dots', () => {
    expect(parseTarget('https://Example.COM./x')).toEqual({ host: 'example.com', port: 443, literal: false });
    expect(parseTarget('http://example.com:8080')).toEqual({ host: 'example.com', port: 8080, literal: false });
  });

  it.each(['ftp://a.com', 'file:///etc/passwd', 'gopher://a.com', 'http://u@a.com', 'http://u:p@a.com', 'http://', 'no'])(
    'refuses %s',
    (url) => expect(parseTarget(url)).toBeUndefined(),
  );
});

describe('AllowList', () => {
  it('allows any port of a bare host and only the named port otherwise', () => {
    const list = new AllowList(['qdrant', ' Embed.Local:8080 ', '127.1:80', '::1', '[fd00::1]:443']);
    expect(list.has('qdrant', 6333)).toBe(true);
    expect(list.has('embed.local', 8080)).toBe(true);
    expect(list.has('embed.local', 80)).toBe(false);
    expect(list.has('127.0.0.1', 80)).toBe(true);
    expect(list.has('127.0.0.1', 81)).toBe(false);
    expect(list.has('::1', 9)).toBe(true);
    expect(list.has('fd00::1', 443)).toBe(true);
    expect(list.has('sub.qdrant', 6333)).toBe(false);
  });

  it.each(['', 'http://a', 'a/b', 'a b', 'u@a', 'a:99999', 'a?b'])('refuses the entry "%s" by name', (entry) => {
    expect(() => new AllowList([entry])).toThrow(/host or host:port/);
  });
});

it('compares addresses by meaning', () => {
  expect(isSameAddress('::ffff:1.2.3.4', '1.2.3.4')).toBe(true);
  expect(isSameAddress('2606:4700::1', '2606:4700:0:0::1')).toBe(true);
  expect(isSameAddress('1.2.3.4', '1.2.3.5')).toBe(false);
  expect(isSameAddress('1.2.3.4', '')).toBe(false);
});
