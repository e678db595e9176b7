// What came out, as one table.
import { cpus, loadavg, totalmem } from 'node:os';

export function describeMachine() {
  const [{ model }] = cpus();
  return { node: process.version, cpu: model, cores: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30), loadBefore: loadavg()[0] };
}

const reached = ({ ratio, expected }) => (expected.atLeast === undefined ? ratio <= expected.atMost : ratio >= expected.atLeast);
const inWords = ({ atLeast, atMost }) => (atLeast === undefined ? `≤ ${atMost.toFixed(2)}` : `≥ ${atLeast.toFixed(2)}`);
const figure = (value, unit) => (value === null ? '' : `${value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2)} ${unit}`);

/** Puts beside each finding the ratio that another run found. */
export function compared(findings, earlier) {
  return findings.map((finding) => ({ ...finding, before: earlier.find(({ row, measure }) => row === finding.row && measure === finding.measure)?.ratio ?? null }));
}

function lineOf(finding, previous) {
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

export function table(findings, { node, cpu, cores, memoryGiB, loadBefore }) {
  const head = ['row', 'measure', 'floor', 'subject', 'ratio', ...(findings.some((finding) => finding.before !== undefined) ? ['before'] : []), 'expected', ''];
  const lines = [head, ...findings.map((finding, at) => lineOf(finding, findings[at - 1]))];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const rule = widths.map((width) => '─'.repeat(width)).join('──');
  const [first, ...rest] = lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd());
  const machine = `Node ${node}, ${cores} × ${cpu}, ${memoryGiB} GiB; load before ${loadBefore.toFixed(2)}`;
  return ['', first, rule, ...rest, '', machine, ''].join('\n');
}
