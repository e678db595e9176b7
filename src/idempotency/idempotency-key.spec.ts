import { readIdempotencyKey } from './idempotency-key.js';

describe('the header Idempotency-Key', () => {
  it.each([
    ['"8e03978e-40d5-43dd-bc93-6894a57f9324"', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['8e03978e-40d5-43dd-bc93-6894a57f9324', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    [' "with spaces" ', 'with spaces'],
    [String.raw`"a \"quoted\" back\\slash"`, String.raw`a "quoted" back\slash`],
    [`"${'k'.repeat(255)}"`, 'k'.repeat(255)],
  ])('is a quoted string or a bare one: %s', (header, key) => {
    expect(readIdempotencyKey(header)).toBe(key);
  });

  it.each(['', '""', '"open', 'open"', 'two words', '"a", "b"', 'first, second', String.raw`"\n"`, 'k'.repeat(256), `"${'k'.repeat(256)}"`, 'schlüssel', '"a\tb"'])('is nothing else: %j', (header) => {
    expect(() => readIdempotencyKey(header)).toThrow(expect.objectContaining({ status: 400, code: 'malformed_idempotency_key' }));
  });
});
