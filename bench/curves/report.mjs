// The page of all curves, written anew by every run.
import { FLAT_UP_TO, inShort, times } from './plot.mjs';

const amount = (value, unit) => `${value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2)} ${unit}`;

function verdict({ points, rises }) {
  const { ratio } = points.at(-1);
  if (rises !== null) return `not flat: ${rises}`;
  if (ratio > FLAT_UP_TO) return '**not flat**';
  return ratio < 1 / FLAT_UP_TO ? 'falls' : 'flat';
}

function tableOf({ x, lines }) {
  const steps = lines[0].points.map(({ at }) => inShort(at));
  const first = steps[0];
  return [
    `| ${x}: | cost at ${first} | ${steps.slice(1).join(' | ')} | cost at ${steps.at(-1)} | |`,
    `|---|${steps.map(() => '--:|').join('')}--:|---|`,
    ...lines.map((line) => {
      const { name, unit, points } = line;
      return `| ${name} | ${amount(points[0].cost, unit)} | ${points.slice(1).map(({ ratio }) => times(ratio)).join(' | ')} | ${amount(points.at(-1).cost, unit)} | ${verdict(line)} |`;
    }),
  ].join('\n');
}

function machineOf({ node, cpu, cores, memoryGiB, loadBefore }) {
  const busy = loadBefore > cores ? ' **The machine was busy with something else**: only what lies far outside of the green says anything.' : '';
  return `Node ${node}, ${cores} × ${cpu}, ${memoryGiB} GiB; load before ${loadBefore.toFixed(2)}.${busy}`;
}

/** @param curves `{ name, title, x, at, machine, seconds, lines }` */
export function page(curves) {
  const parts = curves.map((curve) =>
    [`## ${curve.title}`, `![${curve.title}](plots/${curve.name}.svg)`, tableOf(curve), `Measured ${curve.at.slice(0, 16).replace('T', ' ')}${curve.seconds < 1 ? ', with the curve above' : ` in ${Math.round(curve.seconds)} s`}. ${machineOf(curve.machine)}`].join('\n\n'),
  );
  return `# What the curves looked like\n\nWritten by \`npm run bench:curves\`; [the page beside this one](README.md) says how to read it.\n\n${parts.join('\n\n')}\n`;
}
