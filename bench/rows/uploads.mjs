// What it costs to take in a file as part of a form, with quota, row and job, beside streaming the same bytes to the disk.
import { inTurns } from '../contest.mjs';
import { Uploads } from '../uploads.mjs';

const SIZES = [
  { megabytes: 1, atATime: 4, atLeast: 1 },
  // One is a round.
  { megabytes: 100, atATime: 1, atLeast: 1, seconds: 0 },
];

const uploading = (uploads, { server, headers, after }, size) => async (seconds) => {
  const before = await server.cpuMicros();
  const { count, seconds: taken, latencies } = await uploads.round({ url: server.url, headers }, size.seconds ?? seconds, size.atLeast);
  const cpuMs = ((await server.cpuMicros()) - before) / 1000 / count;
  await after();
  return { megabytesPerSecond: (count * size.megabytes) / taken, p50Ms: latencies[Math.floor(latencies.length / 2)], cpuMs };
};

export const uploadRows = SIZES.map((size) => ({
  name: `upload-${size.megabytes}`,
  title: `upload of ${size.megabytes} MB until the 202, no worker running, against bare node:http that streams, hashes and syncs`,
  async run(world) {
    const { plain, server, signIn } = await world.uploading();
    const token = await signIn();
    const uploads = new Uploads(size.megabytes, size.atATime);
    try {
      const { floor, subject } = await inTurns(
        uploading(uploads, { server: plain, headers: {}, after: () => plain.ask({ task: 'clear' }) }, size),
        uploading(uploads, { server, headers: { authorization: `Bearer ${token}` }, after: () => undefined }, size),
      );
      const finding = (measure, name, unit) => ({ measure: name, unit, floor: floor[measure], subject: subject[measure], ratio: subject[measure] / floor[measure], expected: null });
      return [finding('megabytesPerSecond', 'throughput', 'MB/s'), finding('p50Ms', 'p50', 'ms'), finding('cpuMs', 'CPU an upload', 'ms')];
    } finally {
      uploads.close();
    }
  },
}));
