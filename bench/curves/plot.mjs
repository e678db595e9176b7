// A curve as a picture: how the cost of each call changes from the first step on. Both axes are logarithmic, so flat is flat and twice is everywhere the same height.

const WIDTH = 960;
const [LEFT, RIGHT, TOP, BOTTOM] = [64, 380, 56, 52];
const PLOT_HEIGHT = 360;
const HEIGHT = TOP + PLOT_HEIGHT + BOTTOM;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;
const LABEL_GAP = 19;
/** Okabe and Ito's, which colour-blind people tell apart, and three more. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#8a6d00', '#3a9bdc', '#7b4fb5', '#555555', '#b3261e', '#00707a', '#a05a2c'];
/** What counts as flat. */
export const FLAT_UP_TO = 1.25;
const LEVELS = [0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16_384];

const escaped = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
const tidy = (value) => Number(value.toFixed(1));
export const inShort = (number) => (number >= 1e6 ? `${number / 1e6} M` : number >= 1000 ? `${number / 1000} k` : String(number));
export const times = (ratio) => `×${ratio >= 10 ? Math.round(ratio).toLocaleString('en') : ratio.toFixed(2)}`;

function scales(lines) {
  const ats = lines.flatMap(({ points }) => points.map(({ at }) => at));
  const ratios = lines.flatMap(({ points }) => points.map(({ ratio }) => ratio));
  const [from, to] = [Math.log(Math.min(...ats)), Math.log(Math.max(...ats))];
  // Never so close that what is noise looks like a mountain.
  const low = LEVELS.findLast((level) => level <= Math.min(0.5, ...ratios)) ?? LEVELS[0];
  const high = LEVELS.find((level) => level >= Math.max(4, ...ratios)) ?? LEVELS.at(-1);
  return {
    levels: LEVELS.filter((level) => level >= low && level <= high),
    x: (at) => LEFT + (PLOT_WIDTH * (Math.log(at) - from)) / (to - from || 1),
    y: (ratio) => TOP + PLOT_HEIGHT * (1 - Math.log(Math.max(ratio, low) / low) / Math.log(high / low)),
  };
}

/** Labels stand where their lines end, or as near to it as the ones above leave room for. */
function placed(ends) {
  const labels = ends.toSorted((a, b) => a.y - b.y).map((end) => ({ ...end, at: end.y }));
  for (const [at, label] of labels.entries()) if (at > 0) label.at = Math.max(label.at, labels[at - 1].at + LABEL_GAP);
  const over = labels.at(-1).at - (TOP + PLOT_HEIGHT);
  if (over > 0) {
    labels.at(-1).at -= over;
    for (let at = labels.length - 2; at >= 0; at -= 1) labels[at].at = Math.min(labels[at].at, labels[at + 1].at - LABEL_GAP);
  }
  return labels;
}

function grid({ levels, x, y }, ats, xTitle) {
  const right = LEFT + PLOT_WIDTH;
  const foot = TOP + PLOT_HEIGHT;
  return [
    `<rect x="${LEFT}" y="${tidy(y(FLAT_UP_TO))}" width="${PLOT_WIDTH}" height="${tidy(y(1 / FLAT_UP_TO) - y(FLAT_UP_TO))}" fill="#e6f4ea"/>`,
    ...levels.map((level) => `<line x1="${LEFT}" x2="${right}" y1="${tidy(y(level))}" y2="${tidy(y(level))}" stroke="${level === 1 ? '#8a938c' : '#e3e6e8'}"/><text x="${LEFT - 8}" y="${tidy(y(level) + 4)}" text-anchor="end">×${level}</text>`),
    ...ats.map((at) => `<line x1="${tidy(x(at))}" x2="${tidy(x(at))}" y1="${foot}" y2="${foot + 5}" stroke="#8a938c"/><text x="${tidy(x(at))}" y="${foot + 20}" text-anchor="middle">${inShort(at)}</text>`),
    `<text x="${LEFT + PLOT_WIDTH / 2}" y="${foot + 42}" text-anchor="middle">${escaped(xTitle)}</text>`,
  ];
}

function drawn({ name, points, rises }, colour, { x, y }) {
  const places = points.map(({ at, ratio }) => [tidy(x(at)), tidy(y(ratio))]);
  return [
    `<polyline points="${places.map((place) => place.join(',')).join(' ')}" fill="none" stroke="${colour}" stroke-width="2"${rises === null ? '' : ' stroke-dasharray="6 4"'}><title>${escaped(name)}</title></polyline>`,
    ...places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`),
  ];
}

function labelled({ at, y, line, colour }) {
  const right = LEFT + PLOT_WIDTH;
  const text = `${times(line.points.at(-1).ratio)}  ${line.name}`;
  return [
    `<polyline points="${right + 5},${tidy(y)} ${right + 16},${tidy(at)} ${right + 22},${tidy(at)}" fill="none" stroke="${colour}" opacity="0.6"/>`,
    `<text x="${right + 26}" y="${tidy(at + 4)}" fill="${colour}" font-weight="600">${escaped(text)}</text>`,
  ];
}

/** @param curve `{ title, x, lines }`. A line that is known to rise is dashed; the green band is what counts as flat. */
export function plot({ title, x: xTitle, lines }) {
  const scale = scales(lines);
  const coloured = lines.map((line, at) => ({ line, colour: COLOURS[at % COLOURS.length] }));
  const labels = placed(coloured.map(({ line, colour }) => ({ y: scale.y(line.points.at(-1).ratio), line, colour })));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="system-ui, 'Segoe UI', Helvetica, Arial, sans-serif" font-size="12.5" fill="#3a4046" role="img" aria-label="${escaped(title)}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" rx="8" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="26" font-size="16" font-weight="600" fill="#14181b">${escaped(title)}</text>`,
    `<text x="${LEFT}" y="44">cost against the first step; solid lines should be flat, dashed ones cannot be; green is flat</text>`,
    ...grid(scale, lines[0].points.map(({ at }) => at), xTitle),
    ...coloured.flatMap(({ line, colour }) => drawn(line, colour, scale)),
    ...labels.flatMap(labelled),
    '</svg>',
    '',
  ].join('\n');
}
