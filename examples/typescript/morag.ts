/** A small client for MoRAG Server: `fetch` and nothing else. Copy it and make it yours. */

/** A refusal, as the problem document tells it (RFC 9457). Branch on `code`. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly body: Record<string, unknown>;
  /** In seconds, as the server asks for. */
  readonly retryAfter: number | undefined;

  constructor(status: number, body: Record<string, unknown>, retryAfter: number | undefined) {
    super(`${status} ${String(body['code'])}: ${String(body['detail'])} (request ${String(body['request_id'])})`);
    this.status = status;
    this.code = String(body['code']);
    this.body = body;
    this.retryAfter = retryAfter;
  }

  get isRetryable(): boolean {
    return this.retryAfter !== undefined || this.body['retryable'] === true;
  }
}

export interface Accepted {
  task_id: string;
  document_id: string;
}

export interface TaskStatus {
  status: 'pending' | 'in_progress' | 'completed' | 'failed' | 'cancelled';
  progress: number;
  error: string | null;
}

export interface CreatedKey {
  api_key: { id: string; key_prefix: string };
  secret_key: string;
}

export interface Citation {
  document_id: string;
  document_title: string;
  page_from: number | null;
  heading_path: string[];
  char_start: number;
  char_end: number;
}

export interface Found {
  results: { score: number; text: string; citation: Citation }[];
  warnings: { code: string; message: string }[];
}

export interface Quota {
  resource_type: string;
  limit: number | null;
  used: number;
}

const pause = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

const problemOf = async (response: Response): Promise<Problem> => {
  const isProblem = response.headers.get('content-type')?.includes('json') ?? false;
  const retryAfter = response.headers.get('retry-after');
  return new Problem(response.status, isProblem ? ((await response.json()) as Record<string, unknown>) : {}, retryAfter === null ? undefined : Number(retryAfter));
};

/** One credential at one server. */
export class Morag {
  private readonly server: string;
  private readonly headers: Record<string, string>;

  constructor(server: string, headers: Record<string, string> = {}) {
    this.server = server;
    this.headers = headers;
  }

  asPerson(token: string): Morag {
    return new Morag(this.server, { authorization: `Bearer ${token}` });
  }

  asProgram(key: string): Morag {
    return new Morag(this.server, { 'x-api-key': key });
  }

  /**
   * What may help again is tried again: after as long as the server asks for, else after 1, 2, 4 … seconds, with some chance in it.
   * @param body a form is sent as multipart/form-data, anything else as JSON
   * @throws Problem
   */
  async call<T>(method: string, path: string, body?: unknown, tries = 5): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const isForm = body instanceof FormData;
      const response = await fetch(new URL(path, this.server), {
        method,
        headers: { ...this.headers, ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
      });
      if (response.ok) return (response.status === 204 ? undefined : await response.json()) as T;
      const problem = await problemOf(response);
      if (attempt >= tries || !problem.isRetryable) throw problem;
      await pause(problem.retryAfter ?? Math.min(60, 2 ** (attempt - 1)) * (0.5 + Math.random() / 2));
    }
  }

  /** Until the job has ended well; throws when it has not. */
  async waitFor(taskId: string, seconds = 60): Promise<void> {
    for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await pause(0.2)) {
      const { status, error } = await this.call<TaskStatus>('GET', `/api/v1/status/${taskId}`);
      if (status === 'completed') return;
      if (status === 'failed' || status === 'cancelled') throw new Error(`The document came to nothing: ${error}`);
    }
    throw new Error(`Task ${taskId} is still not done after ${seconds} s.`);
  }
}
