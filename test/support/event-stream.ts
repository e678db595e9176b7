import type { JobDto } from '../../src/jobs/dto/job.dto.js';

export interface ReceivedEvent {
  id: number;
  name: string;
  job: JobDto;
}

function parse(block: string): ReceivedEvent | null {
  const fields = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const));
  const data = fields.get('data');
  return data === undefined ? null : { id: Number(fields.get('id')), name: fields.get('event') ?? 'message', job: JSON.parse(data) as JobDto };
}

/** A client of server-sent events, that reads one after the other. */
export class EventStream {
  private readonly reader: ReadableStreamDefaultReader<string>;
  private buffered = '';

  private constructor(
    readonly response: Response,
    private readonly hangUp: AbortController,
  ) {
    this.reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async open(url: string, headers: Record<string, string>): Promise<EventStream> {
    const hangUp = new AbortController();
    const response = await fetch(url, { headers: { accept: 'text/event-stream', ...headers }, signal: hangUp.signal });
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    return new EventStream(response, hangUp);
  }

  /** Null once the stream has ended. */
  async next(): Promise<ReceivedEvent | null> {
    for (;;) {
      const end = this.buffered.indexOf('\n\n');
      if (end === -1) {
        const { done, value } = await this.reader.read();
        if (done) return null;
        this.buffered += value;
        continue;
      }
      const event = parse(this.buffered.slice(0, end));
      this.buffered = this.buffered.slice(end + 2);
      if (event) return event;
    }
  }

  /** All that is left. */
  async rest(): Promise<ReceivedEvent[]> {
    const events: ReceivedEvent[] = [];
    for (let event = await this.next(); event; event = await this.next()) events.push(event);
    return events;
  }

  close(): void {
    // What was still to come fails with this.
    this.reader.closed.catch(() => undefined);
    this.hangUp.abort();
  }
}
