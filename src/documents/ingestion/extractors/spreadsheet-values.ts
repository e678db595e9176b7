/** What a cell's stored value looks like on the sheet, as far as its meaning goes: dates, times and percentages, no colours and columns. */
export type NumberFormat = 'general' | 'date' | 'time' | 'date-time' | 'duration' | 'percent';

/** The formats that have no code of their own in a workbook (ECMA-376, part 1, §18.8.30), the East Asian dates included. */
const BUILT_IN = new Map<number, NumberFormat>([
  [9, 'percent'],
  [10, 'percent'],
  ...[14, 15, 16, 17, 27, 28, 29, 30, 31, 36, 50, 51, 52, 53, 54, 57, 58].map((id) => [id, 'date'] as const),
  ...[18, 19, 20, 21, 32, 33, 34, 35, 45, 47, 55, 56].map((id) => [id, 'time'] as const),
  [22, 'date-time'],
  [46, 'duration'],
]);

export function builtInFormat(id: number): NumberFormat {
  return BUILT_IN.get(id) ?? 'general';
}

/** Reads the first section of a format code (§18.8.31), which is the one of positive numbers. */
export function numberFormat(code: string): NumberFormat {
  const bare = code.slice(0, 255).replace(/"[^"]*"|\\.|_.|\*./g, '').split(';', 1)[0]!;
  if (/\[(?:h+|m+|s+)\]/i.test(bare)) return 'duration';
  const letters = bare.replace(/\[[^\]]*\]/g, '').replace(/general/gi, '').replace(/am\/pm|a\/p/gi, 'h').toLowerCase();
  const time = /[hs]/.test(letters);
  // An `m` is a minute beside hours or seconds, otherwise a month.
  const date = /[yd]/.test(letters) || (!time && letters.includes('m'));
  if (date) return time ? 'date-time' : 'date';
  if (time) return 'time';
  return letters.includes('%') ? 'percent' : 'general';
}

/** `value` as it is stored; a text that is no number stays as it is. */
export function formatNumber(value: string, format: NumberFormat, epoch1904: boolean): string {
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number)) return value;
  if (format === 'general') return plainNumber(number);
  if (format === 'percent') return `${plainNumber(number * 100)}%`;
  if (format === 'duration') return duration(number);
  const instant = toDate(number, epoch1904);
  // Negative ones and those past the year 9999 show as `####` there.
  if (instant === null) return plainNumber(number);
  const [date = '', time = ''] = instant.toISOString().split('T');
  const clock = time.slice(0, time.startsWith(':00', 5) ? 5 : 8);
  if (format === 'time' && number < 1) return clock;
  return format === 'date' ? date : `${date} ${clock}`;
}

/** Fifteen digits, as a spreadsheet keeps: 0.1 + 0.2 is 0.3. */
function plainNumber(number: number): string {
  return String(Number(number.toPrecision(15)));
}

function duration(days: number): string {
  const seconds = Math.round(Math.abs(days) * 86_400);
  const two = (part: number) => String(part).padStart(2, '0');
  return `${days < 0 ? '-' : ''}${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

function toDate(days: number, epoch1904: boolean): Date | null {
  if (days < 0 || days >= 2_958_466) return null;
  // Lotus held 1900 for a leap year, and its day 60 never was: the days before it are one later than they count.
  const start = epoch1904 ? Date.UTC(1904, 0, 1) : Date.UTC(1899, 11, days < 60 ? 31 : 30);
  return new Date(start + Math.round(days * 86_400) * 1000);
}
