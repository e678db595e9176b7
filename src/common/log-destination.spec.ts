import { setImmediate as turn } from 'node:timers/promises';
import { LinesOfATurn } from './log-destination.js';

describe('the lines of a turn', () => {
  let written: string[];
  let lines: LinesOfATurn;

  beforeEach(() => {
    written = [];
    lines = new LinesOfATurn({ write: (text) => written.push(text) });
  });

  it('are written together, in order, and no later than when it ends', async () => {
    lines.write('one\n');
    lines.write('two\n');
    expect(written).toEqual([]);
    await turn();
    lines.write('three\n');
    await turn();
    expect(written).toEqual(['one\ntwo\n', 'three\n']);
  });

  it('are written at once when asked to, and only once', async () => {
    let told = false;
    lines.write('one\n');
    lines.flush(() => (told = true));
    expect(written).toEqual(['one\n']);
    expect(told).toBe(true);
    await turn();
    expect(written).toEqual(['one\n']);
  });
});
