import { pino, type DestinationStream } from 'pino';

/**
 * Gathers the lines of one turn of the event loop and passes them on together: each write is a system call and wakes whoever reads the
 * pipe, in the middle of answering requests. `flush` passes on what is there, at once.
 */
export class LinesOfATurn implements DestinationStream {
  private lines = '';

  constructor(private readonly destination: DestinationStream) {}

  write(line: string): void {
    if (this.lines === '') setImmediate(() => this.flush());
    this.lines += line;
  }

  flush(done?: () => void): void {
    const { lines } = this;
    this.lines = '';
    if (lines !== '') this.destination.write(lines);
    done?.();
  }
}

let standardOutput: LinesOfATurn | undefined;

/** One for the process, however many loggers write to it. Nothing is left behind when it ends, unless it is killed outright. */
export function toStandardOutput(): DestinationStream {
  if (!standardOutput) {
    const lines = new LinesOfATurn(pino.destination({ fd: 1, sync: true }));
    process.on('exit', () => lines.flush());
    standardOutput = lines;
  }
  return standardOutput;
}
