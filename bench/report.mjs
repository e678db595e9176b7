// What came out, as one table: for a terminal, or for a page.
import { cpus, loadavg, totalmem } from 'node:os';

export function describeMachine() {
  const [{ model }] = cpus();
  return { node: process.version, cpu: model, cores: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30), loadBefore: loadavg()[0] };
}

const reached = ({ ratio, expected }) => (expected.atLeast === undefined ? ratio <= expected.atMost : ratio >= expected.atLeast);
const inWords = ({ atLeast, atMost }) => (atLeast === undefined ? `≤ ${atMost.toFixed(2)}` : `≥ ${atLeast.toFixed(2)}`);
const digits = (value) => (Number.isInteger(value) || value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2));
const figure = (value, unit) => (value === null ? '' : `${digits(value)} ${unit}`.trimEnd());

export function duration(seconds) {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** Puts beside each finding the ratio that another run found. */
export function compared(findings, earlier) {
  return findings.map((finding) => ({ ...finding, before: earlier.find(({ row, measure }) => row === finding.row && measure === finding.measure)?.ratio ?? null }));
}

function cellsOf(finding, previous) {
  const { row, measure, unit, floor, subject, ratio, expected, before } = finding;
  return [
    row === previous?.row ? '' : row,
    measure,
    figure(floor, unit),
    figure(subject, unit),
    ratio.toFixed(2),
    ...(before === undefined ? [] : [before === null ? '–' : before.toFixed(2)]),
    expected === null ? '' : inWords(expected),
    expected === null ? '' : reached(finding) ? 'reached' : 'NOT reached',
  ];
}

function linesOf(findings) {
  const head = ['row', 'measure', 'floor', 'subject', 'ratio', ...(findings.some((finding) => finding.before !== undefined) ? ['before'] : []), 'expected', ''];
  return [head, ...findings.map((finding, at) => cellsOf(finding, findings[at - 1]))];
}

const sentence = ({ node, cpu, cores, memoryGiB, loadBefore }, seconds) => `Node ${node}, ${cores} × ${cpu}, ${memoryGiB} GiB; load before ${loadBefore.toFixed(2)}; took ${duration(seconds)}`;

export function table({ findings, machine, seconds }) {
  const lines = linesOf(findings);
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const rule = widths.map((width) => '─'.repeat(width)).join('──');
  const [first, ...rest] = lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd());
  return ['', first, rule, ...rest, '', sentence(machine, seconds), ''].join('\n');
}

/** The same, as bench/README.md has it. */
export function markdown({ at, findings, machine, seconds }) {
  const [head, ...rest] = linesOf(findings);
  const numeric = (column) => ['floor', 'subject', 'ratio', 'before'].includes(head[column]);
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const rule = line(head.map((_, column) => (numeric(column) ? '--:' : '---')));
  const rows = rest.map(([row, ...cells]) => line([row === '' ? '' : `\`${row}\``, ...cells]));
  return [line(head), rule, ...rows, '', `${at.slice(0, 10)}: ${sentence(machine, seconds)}.`, ''].join('\n');
}
