// The floor of uploads: bare node:http that streams what is sent into a file, hashes it on the way and makes it durable. It reads no form.
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { answer, serve } from './child.mjs';

const { DIRECTORY: directory } = process.env;

async function syncDirectory(place) {
  const handle = await open(place, 'r');
  await handle.sync();
  await handle.close();
}

async function keep(request) {
  const [arriving, own] = [path.join(directory, randomUUID()), path.join(directory, randomUUID())];
  const hash = createHash('sha256');
  let bytes = 0;
  const measure = async function* (chunks) {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      hash.update(chunk);
      yield chunk;
    }
  };
  await pipeline(request, measure, createWriteStream(arriving, { flags: 'wx', flush: true }));
  await mkdir(own);
  await rename(arriving, path.join(own, 'original'));
  await syncDirectory(own);
  await syncDirectory(directory);
  return { bytes, sha256: hash.digest('hex') };
}

/** Between two rounds: nobody needs what was sent. */
async function clear() {
  for (const name of await readdir(directory)) await rm(path.join(directory, name), { recursive: true });
}

const server = createServer((request, response) => {
  keep(request).then(
    (kept) => response.writeHead(202, { 'content-type': 'application/json' }).end(JSON.stringify(kept)),
    (error) => response.writeHead(500).end(error.stack),
  );
});
answer({ clear });
server.listen(0, '127.0.0.1', () => {
  serve(`http://127.0.0.1:${server.address().port}`, async () => {
    server.closeAllConnections();
    server.close();
  });
});
