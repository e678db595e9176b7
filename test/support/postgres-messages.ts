/** What a client sends before PostgreSQL owes it an answer: one query, or everything up to a Sync. */
export interface Request {
  bytes: Buffer;
  /** Its beginning, in which statement and parameters can be looked for; bytes that are no ASCII are not what they were. */
  text: string;
}

/** Of a statement's parameters the first kilobytes are enough to know it by, and a document's chunks are megabytes. */
const TEXT_BYTES = 4096;
const ENDS_A_REQUEST = new Set(['Q', 'S', 'p', 'X']);

/** Cuts what a client of PostgreSQL sends into requests (protocol 3: a byte for the type, but for the first message, and a length that counts itself). */
export class PostgresRequests {
  private rest: Buffer = Buffer.alloc(0);
  private begun: Buffer[] = [];
  private isStarted = false;

  /** @returns the requests that are whole by now */
  take(bytes: Buffer): Request[] {
    this.rest = Buffer.concat([this.rest, bytes]);
    const whole: Request[] = [];
    for (let message = this.nextMessage(); message; message = this.nextMessage()) {
      this.begun.push(message.bytes);
      if (message.type !== '' && !ENDS_A_REQUEST.has(message.type)) continue;
      const request = Buffer.concat(this.begun.splice(0));
      whole.push({ bytes: request, text: request.toString('latin1', 0, TEXT_BYTES) });
    }
    return whole;
  }

  private nextMessage(): { type: string; bytes: Buffer } | null {
    const head = this.isStarted ? 1 : 0;
    if (this.rest.length < head + 4) return null;
    const end = head + this.rest.readInt32BE(head);
    if (this.rest.length < end) return null;
    const bytes = this.rest.subarray(0, end);
    this.rest = this.rest.subarray(end);
    this.isStarted = true;
    return { type: bytes.toString('latin1', 0, head), bytes };
  }
}
