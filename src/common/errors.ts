/** What a refusal says on the wire: RFC 9457 members plus `code` and `retryable`. */
export interface ProblemOptions {
  status: number;
  /** Stable, snake_case; programs branch on it. */
  code: string;
  title: string;
  detail: string;
  retryable?: boolean;
  /** RFC 9457 `type`; `about:blank` when omitted. */
  type?: string;
  headers?: Record<string, string>;
  /** Further members of the problem document, such as `limit` and `used`. */
  members?: Record<string, unknown>;
}

/** The root of every error that a client is meant to read; anything else becomes a bare 500. */
export abstract class AppError extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly retryable: boolean;
  readonly type: string;
  readonly headers: Record<string, string>;
  readonly members: Record<string, unknown>;

  protected constructor(problem: ProblemOptions, options?: ErrorOptions) {
    super(problem.detail, options);
    this.name = new.target.name;
    this.status = problem.status;
    this.code = problem.code;
    this.title = problem.title;
    this.retryable = problem.retryable ?? false;
    this.type = problem.type ?? 'about:blank';
    this.headers = problem.headers ?? {};
    this.members = problem.members ?? {};
  }
}
