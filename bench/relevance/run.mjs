// `npm run bench:relevance`: what the search finds of the relevance set, and whether that is less than it was. See README.md beside this.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildIfStale } from '../../scripts/build.mjs';
import { runCommand } from '../command.mjs';
import { World } from '../world.mjs';

const HERE = import.meta.dirname;
/** Chunks asked for, so that ten documents are among them. */
const TOP_K = 30;
const POLL_MS = 50;

async function ingest(installation, documents) {
  const since = Date.now();
  const names = new Map();
  for (const { name, text } of documents) names.set((await installation.upload(`${name}.md`, Buffer.from(text))).document_id, name);
  for (;;) {
    const { open, failed } = await installation.progress(since);
    if (failed > 0) throw new Error(`${failed} documents failed`);
    if (open === 0) return names;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function rank(installation, names, query, mode, rankDocuments) {
  const { results } = await installation.search({ query, mode, top_k: TOP_K });
  return rankDocuments(results.map(({ score, citation }) => ({ document: names.get(citation.document_id), score })));
}

async function measure(world, { documents, queries }, modes, { rankDocuments, figuresOf, summarise }) {
  const installation = await world.installation();
  const names = await ingest(installation, documents);
  // BM25 counts the rows that are not in the index yet by themselves, and how many those are depends on when the worker tidied up last.
  await installation.tidyUp();
  const found = {};
  for (const mode of modes) {
    found[mode] = [];
    for (const query of queries) {
      const ranked = await rank(installation, names, query.query, mode, rankDocuments);
      found[mode].push({ ...query, ranked, figures: figuresOf(ranked, query.judgements) });
    }
  }
  return { found, figures: Object.fromEntries(modes.map((mode) => [mode, summarise(found[mode])])) };
}

const signed = (difference) => (Math.abs(difference) < 0.00005 ? '' : `${difference > 0 ? '+' : ''}${difference.toFixed(3)}`);

/** A line a class, two columns a mode, each with its difference from the baseline. */
function table(figures, baseline, queries) {
  const cell = (mode, read, key) => {
    const [now, before] = [read(figures[mode])?.[key], baseline && read(baseline[mode])?.[key]];
    return `${now.toFixed(3)} ${before === undefined ? '' : signed(now - before)}`.padEnd(14);
  };
  const modes = Object.keys(figures);
  const line = (name, count, read) => [name.padEnd(12), String(count).padStart(3), ...modes.flatMap((mode) => ['ndcg', 'recall'].map((key) => cell(mode, read, key)))].join('  ').trimEnd();
  const head = ['class'.padEnd(12), '  #', ...modes.flatMap((mode) => [`${mode} nDCG`.padEnd(14), 'recall@5'.padEnd(14)])].join('  ').trimEnd();
  const classes = Object.keys(figures[modes[0]].byClass);
  return [
    '', head, '─'.repeat(head.length),
    ...classes.map((name) => line(name, queries.filter((query) => query.class === name).length, (mode) => mode.byClass[name])),
    '─'.repeat(head.length), line('overall', queries.length, (mode) => mode.overall), '',
  ].join('\n');
}

function worst(found, count) {
  const lines = found.toSorted((a, b) => a.figures.ndcg - b.figures.ndcg).slice(0, count);
  return lines.map(({ id, query, figures, ranked }) => `${figures.ndcg.toFixed(3)}  ${id.padEnd(14)} ${query}  →  ${ranked.slice(0, 3).join(', ') || 'nothing'}`).join('\n');
}

async function main() {
  const { values } = parseArgs({ options: { update: { type: 'boolean', default: false }, worst: { type: 'string' } } });
  if (!(await buildIfStale())) throw new Error('The build failed.');
  // Types are stripped by Node 24, which may be another process than the one that began.
  const [metrics, { MODES, TOLERANCE, readBaseline, readRelevanceSet }] = await Promise.all([import('./metrics.ts'), import('./relevance-set.ts')]);
  const set = await readRelevanceSet(HERE);
  const baseline = values.update ? undefined : await readBaseline(HERE);
  const world = new World({});
  const stop = () => void world.close().then(() => process.exit(130));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    const { found, figures } = await measure(world, set, MODES, metrics);
    console.log(table(figures, baseline, set.queries));
    if (values.worst !== undefined) for (const mode of MODES) console.log(`The worst of ${mode}:\n${worst(found[mode], Number(values.worst))}\n`);
    if (baseline === undefined) {
      await writeFile(join(HERE, 'baseline.json'), `${JSON.stringify(figures, null, 2)}\n`);
      return;
    }
    const fallen = MODES.flatMap((mode) => metrics.falls(baseline[mode].overall, figures[mode].overall, TOLERANCE).map((key) => `${mode} ${key}`));
    console.log(fallen.length === 0 ? `Nothing fell by more than ${TOLERANCE}.` : `Fell by more than ${TOLERANCE}: ${fallen.join(', ')}. A wanted change is kept with --update.`);
    if (fallen.length > 0) process.exitCode = 1;
  } finally {
    await world.close();
  }
}

await runCommand(main);
