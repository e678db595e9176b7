// `node bench/table.mjs [FILE]`: results, by default the latest, as a table for a page.
import { markdown } from './report.mjs';
import { LATEST, readResults } from './results.mjs';

process.stdout.write(markdown(await readResults(process.argv[2] ?? LATEST)));
