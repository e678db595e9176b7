import type { JobDto } from './dto/job.dto.js';
import { JobEventStream } from './job-event-stream.js';

const JOB = { id: 'j', status: 'PROCESSING', stage: 'embedding', summary: 'two\nlines' } as JobDto;

async function textOf(stream: JobEventStream): Promise<string> {
  let text = '';
  for await (const part of stream) text += String(part);
  return text;
}

it('beats when nothing was told for a while, and not before', async () => {
  const stream = new JobEventStream('t', JOB, 0);
  const now = performance.now();
  stream.beat(now + 14_000, 15_000);
  stream.beat(now + 15_001, 15_000);
  stream.finish();
  expect(await textOf(stream)).toBe('retry: 2000\n\n: still here\n\n');
});

it('tells an event on three lines, whatever is in it, and nothing after the end', async () => {
  const stream = new JobEventStream('t', JOB, 0);
  stream.tellPresent(7, true);
  stream.tellPresent(8, false);
  stream.finish();
  stream.beat(Number.POSITIVE_INFINITY, 1);
  expect(await textOf(stream)).toBe(`retry: 2000\n\nid: 7\nevent: end\ndata: ${JSON.stringify(JOB)}\n\n`);
});

it('is full when nobody reads, and not any more when somebody does', async () => {
  const stream = new JobEventStream('t', { ...JOB, summary: 'x'.repeat(20_000) }, 0);
  for (let sequence = 1; !stream.isFull; sequence++) stream.tellPresent(sequence, false);
  expect(stream.sequence).toBeLessThan(10);
  stream.read();
  await new Promise(setImmediate);
  expect(stream.isFull).toBe(false);
  stream.destroy();
});
