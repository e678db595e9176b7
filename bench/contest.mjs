// A floor and a subject under the same load, in turns: what slows the machine down for a while slows both, and the ratio stays.

const WARM_UP_SECONDS = 2;
const ROUND_SECONDS = 1.5;
const ROUNDS = 5;
const FEWEST_ANSWERS = 20;
const PATIENCE_SECONDS = 15;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

async function attempt(load, contender, seconds) {
  const requests = contender.requests();
  const before = await contender.server.cpuMicros();
  const { answers, seconds: taken, p50Ms, p99Ms } = await load.round({ url: contender.server.url, requests, status: contender.status }, seconds);
  if (contender.repeats === false && answers > requests.length) throw new Error(`${contender.server.name} answered ${answers} requests, more than the ${requests.length} different ones`);
  return { answers, perSecond: answers / taken, p50Ms, p99Ms, cpuMicros: ((await contender.server.cpuMicros()) - before) / answers };
}

/** Twice as long, and longer still, where a machine that others use lets too few answers through to speak of. */
async function roundOf(load, contender, seconds) {
  for (let lasting = seconds; ; lasting *= 2) {
    const { answers, ...measured } = await attempt(load, contender, lasting);
    if (answers >= FEWEST_ANSWERS) return measured;
    if (lasting > PATIENCE_SECONDS) throw new Error(`${contender.server.name} gave ${answers} answers in ${lasting} s`);
  }
}

const summary = (rounds) => Object.fromEntries(Object.keys(rounds[0]).map((measure) => [measure, median(rounds.map((round) => round[measure]))]));

/**
 * @param floor, subject each answers what one round of so many seconds measured
 * @returns for both the medians over all rounds
 */
export async function inTurns(floor, subject) {
  for (const contender of [floor, subject]) await contender(WARM_UP_SECONDS);
  const rounds = { floor: [], subject: [] };
  for (let at = 0; at < ROUNDS; at += 1) {
    rounds.floor.push(await floor(ROUND_SECONDS));
    rounds.subject.push(await subject(ROUND_SECONDS));
  }
  return { floor: summary(rounds.floor), subject: summary(rounds.subject) };
}

/**
 * @param floor, subject `{ server, requests(), repeats, status }`: `requests` is asked anew for each round; a round that would
 *   send one of them twice fails when `repeats` is false; whatever is not answered with `status`, 200 unless it says so, fails it, too
 * @returns for both the medians over all rounds: answers a second, latencies, CPU time of the server for one answer
 */
export function contest(load, floor, subject) {
  return inTurns((seconds) => roundOf(load, floor, seconds), (seconds) => roundOf(load, subject, seconds));
}

/** As rows of the report. An expectation is `{ atLeast }` or `{ atMost }`, of the ratio; a measure without one is for information. */
export function findingsOf({ floor, subject }, expectations = {}) {
  const finding = (measure, name, unit) => ({ measure: name, unit, floor: floor[measure], subject: subject[measure], ratio: subject[measure] / floor[measure], expected: expectations[measure] ?? null });
  return [finding('perSecond', 'throughput', '/s'), finding('p50Ms', 'p50', 'ms'), finding('p99Ms', 'p99', 'ms'), finding('cpuMicros', 'CPU an answer', 'µs')];
}
