/** A table of GitHub flavoured Markdown whose first row is the header; rows may differ in length. Empty when there is nothing in it. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const filled = rows.map((row) => row.map(cell)).filter((row) => row.some((text) => text !== ''));
  if (filled.length === 0) return '';
  const width = filled.reduce((widest, row) => Math.max(widest, row.length), 0);
  const line = (row: readonly string[]) => `| ${Array.from({ length: width }, (_, column) => row[column] ?? '').join(' | ')} |`;
  const [header = [], ...body] = filled;
  return [line(header), `|${' --- |'.repeat(width)}`, ...body.map(line)].join('\n');
}

function cell(text: string): string {
  return text.replace(/\s+/g, ' ').trim().replaceAll('|', '\\|');
}
