/** A table of GitHub flavoured Markdown whose first row is the header; rows may differ in length. Empty when there is nothing in it. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const filled = rows.map((row) => row.map(cell)).filter((row) => row.some((text) => text !== ''));
  if (filled.length === 0) return '';
  const width = filled.reduce((widest, row) => Math.max(widest, row.length), 0);
  const [header = [], ...body] = filled;
  const line = (row: readonly string[]) => `| ${row.join(' | ')} |`;
  // Only the header has to name every column; were all rows filled up, one long row would make as many cells of each.
  return [line([...header, ...Array.from({ length: width - header.length }, () => '')]), `|${' --- |'.repeat(width)}`, ...body.map(line)].join('\n');
}

function cell(text: string): string {
  return text.replace(/\s+/g, ' ').trim().replaceAll('|', '\\|');
}
