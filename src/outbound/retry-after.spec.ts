import { retryAfterSeconds } from './retry-after.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const of = (headers: Record<string, string>): number | undefined => retryAfterSeconds(new Headers(headers), NOW);

it('reads seconds, dates and milliseconds', () => {
  expect(of({ 'retry-after': '17' })).toBe(17);
  expect(of({ 'retry-after': ' 0 ' })).toBe(0);
  expect(of({ 'retry-after': 'Thu, 01 Jan 2026 00:02:00 GMT' })).toBe(120);
  expect(of({ 'retry-after-ms': '1500', 'retry-after': '60' })).toBe(1.5);
});

it('says nothing where nothing is said, and 0 of what is past', () => {
  expect(of({})).toBeUndefined();
  for (const text of ['', 'soon', '-5', 'NaN', 'Infinity']) expect([text, of({ 'retry-after': text })]).toEqual([text, undefined]);
  expect(of({ 'retry-after': 'Wed, 31 Dec 2025 23:59:00 GMT' })).toBe(0);
});
