// Sets lighthouse-bees.md as lighthouse-bees.pdf, without any library: `node examples/make-lighthouse-bees.mjs`.
// PDF 1.4, its standard font Times, WinAnsi text, one content stream a page; the same input gives the same bytes.
import { readFileSync, writeFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';

const PAGE = { width: 420, height: 595, margin: 50 };
const STYLES = {
  title: { font: 'F2', size: 20, leading: 26, before: 0, after: 8 },
  heading: { font: 'F2', size: 13, leading: 17, before: 14, after: 6 },
  text: { font: 'F1', size: 10.5, leading: 14, before: 0, after: 7 },
};
// Advance widths of Times-Roman for the characters 32 to 126, in thousandths of the size (Adobe's font metrics). Bold is a little wider.
const WIDTHS = (
  '250 333 408 500 500 833 778 180 333 333 500 564 250 333 250 278 500 500 500 500 500 500 500 500 500 500 278 278 564 564 564 444 ' +
  '921 722 667 667 722 611 556 722 722 333 389 722 611 889 722 722 556 722 667 556 611 722 722 944 722 722 611 333 278 333 469 500 ' +
  '333 444 500 444 500 444 333 500 500 278 278 500 278 778 500 500 500 500 333 389 278 500 500 722 500 500 444 480 200 480 541'
).split(' ').map(Number);

const widthOf = (text, size) => ([...text].reduce((sum, character) => sum + WIDTHS[character.charCodeAt(0) - 32], 0) * size) / 1000;

function wrap(text, { size }) {
  const lines = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && widthOf(longer, size * 1.06) > PAGE.width - 2 * PAGE.margin) {
      lines.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  return [...lines, line];
}

function readBlocks(markdown) {
  return markdown.trim().split(/\n\n+/).map((block) => {
    if (/[^\x20-\x7e]/.test(block)) throw new Error(`Only ASCII on one line a paragraph, please: ${block.slice(0, 60)}`);
    if (block.startsWith('## ')) return { style: STYLES.heading, text: block.slice(3) };
    if (block.startsWith('# ')) return { style: STYLES.title, text: block.slice(2) };
    return { style: STYLES.text, text: block };
  });
}

/** Lines with their places, page by page. */
function layOut(blocks) {
  const pages = [[]];
  let y = PAGE.height - PAGE.margin;
  for (const [index, { style, text }] of blocks.entries()) {
    const lines = wrap(text, style);
    // A heading stays with at least three lines of what follows.
    const needed = style === STYLES.text ? style.leading : style.before + style.leading + style.after + 3 * STYLES.text.leading;
    if (y - needed < PAGE.margin && index > 0) y = startPage(pages);
    else y -= pages.at(-1).length === 0 ? 0 : style.before;
    for (const line of lines) {
      if (y - style.leading < PAGE.margin) y = startPage(pages);
      y -= style.leading;
      pages.at(-1).push({ ...style, text: line, y });
    }
    y -= style.after;
  }
  return pages;
}

function startPage(pages) {
  pages.push([]);
  return PAGE.height - PAGE.margin;
}

const escaped = (text) => text.replace(/[\\()]/g, '\\$&');

function contentOf(lines, number, count) {
  const footer = `${number} / ${count}`;
  const shown = lines.map(({ font, size, y, text }) => `/${font} ${size} Tf 1 0 0 1 ${PAGE.margin} ${y.toFixed(2)} Tm (${escaped(text)}) Tj`);
  shown.push(`/F1 8 Tf 1 0 0 1 ${PAGE.width / 2 - 8} ${PAGE.margin / 2} Tm (${footer}) Tj`);
  return deflateSync(Buffer.from(`BT\n${shown.join('\n')}\nET\n`, 'latin1'), { level: 9 });
}

function write(pages, title) {
  const fonts = '/Font << /F1 3 0 R /F2 4 0 R >>';
  const font = (name) => `<< /Type /Font /Subtype /Type1 /BaseFont /${name} /Encoding /WinAnsiEncoding >>`;
  const pageNumbers = pages.map((_, index) => 6 + 2 * index);
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R /Lang (en) >>',
    `<< /Type /Pages /Count ${pages.length} /Kids [${pageNumbers.map((number) => `${number} 0 R`).join(' ')}] /MediaBox [0 0 ${PAGE.width} ${PAGE.height}] >>`,
    font('Times-Roman'),
    font('Times-Bold'),
    `<< /Title (${escaped(title)}) /Author (The keepers of Skarholm) /CreationDate (D:20261123120000Z) >>`,
  ];
  for (const [index, lines] of pages.entries()) {
    const stream = contentOf(lines, index + 1, pages.length);
    objects.push(`<< /Type /Page /Parent 2 0 R /Resources << ${fonts} >> /Contents ${pageNumbers[index] + 1} 0 R >>`);
    objects.push(Buffer.concat([Buffer.from(`<< /Length ${stream.length} /Filter /FlateDecode >>\nstream\n`), stream, Buffer.from('\nendstream')]));
  }
  const parts = [Buffer.from('%PDF-1.4\n%\xe2\xe3\xcf\xd3\n', 'latin1')];
  const offsets = [];
  let length = parts[0].length;
  for (const [index, body] of objects.entries()) {
    offsets.push(length);
    parts.push(Buffer.concat([Buffer.from(`${index + 1} 0 obj\n`), Buffer.from(body, 'latin1'), Buffer.from('\nendobj\n')]));
    length += parts.at(-1).length;
  }
  const entries = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  parts.push(Buffer.from(`xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${entries}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R /Info 5 0 R >>\nstartxref\n${length}\n%%EOF\n`));
  return Buffer.concat(parts);
}

const file = (extension) => new URL(`lighthouse-bees.${extension}`, import.meta.url);
const blocks = readBlocks(readFileSync(file('md'), 'utf8'));
const pages = layOut(blocks);
const pdf = write(pages, blocks[0].text);
writeFileSync(file('pdf'), pdf);
process.stdout.write(`${pages.length} pages, ${pdf.length} bytes\n`);
