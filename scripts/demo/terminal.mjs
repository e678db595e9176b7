// What the demo writes: numbered steps, facts under them, one progress bar. Colours only for a person who did not switch them off.
const isTerminal = process.stdout.isTTY === true;
const isColoured = isTerminal && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
const BAR_WIDTH = 30;

const paint = (code) => (text) => (isColoured ? `\x1b[${code}m${text}\x1b[0m` : text);
export const bold = paint('1');
export const dim = paint('2');
export const green = paint('32');
export const red = paint('31');

export const say = (line = '') => process.stdout.write(`${line}\n`);

let steps = 0;

export function step(title) {
  steps += 1;
  say();
  say(bold(`${String(steps).padStart(2)}. ${title}`));
}

/** Something that was promised, and checked. */
export const kept = (text) => say(`    ${green('✓')} ${text}`);

export const note = (text) => say(dim(`      ${text}`));

/** A passage of text as a block, wrapped at word ends. */
export function quote(text, width = 92) {
  let line = '';
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      say(`      ${dim('│')} ${line}`);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  if (line !== '') say(`      ${dim('│')} ${line}`);
}

/** One line that is drawn again and again on a terminal; elsewhere, such as in a log, one line for each change. */
export class ProgressBar {
  #last = '';

  show(percentage, label) {
    const text = `${String(percentage).padStart(3)} % ${label}`;
    if (text === this.#last) return;
    this.#last = text;
    if (!isTerminal) return say(`      ${text}`);
    const full = Math.round((percentage / 100) * BAR_WIDTH);
    process.stdout.write(`\r\x1b[2K      ${green('█'.repeat(full))}${dim('░'.repeat(BAR_WIDTH - full))} ${text}`);
  }

  end() {
    if (isTerminal && this.#last !== '') process.stdout.write('\n');
    this.#last = '';
  }
}
