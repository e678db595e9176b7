// What `npm start` runs: the built server, in this very process, so that signals reach it directly.
import module from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildIfStale, entry, root } from './build.mjs';
import { newEnoughNode } from './node24.mjs';

/** A killed npm leaves its script running: an orphan that holds the port and the database. */
function stopWithParent() {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 500);
  watch.unref();
}

await newEnoughNode();
if (process.env.npm_lifecycle_event) stopWithParent();
if (!(await buildIfStale())) process.exit(1);
process.setSourceMapsEnabled(true);
// Compiling the packages anew is a good part of the time a start takes.
module.enableCompileCache(join(root, 'node_modules/.cache/node'));
process.argv[1] = entry;
await import(pathToFileURL(entry).href);
