/** RFC 9457 problem document: the body of every answer that is not a success. */
export class ProblemFieldDto {
  /** Dotted path of the field, such as `items.0.title`. */
  field: string;
  message: string;
}

export class ProblemDto {
  /** A URI that names the kind of problem; `about:blank` where `code` says it all. */
  type: string;
  title: string;
  status: number;
  /** What happened and what to do about it. */
  detail: string;
  /** The path that was asked for. */
  instance: string;
  /** Stable and snake_case: branch on this. */
  code: string;
  /** Also in the header X-Request-Id; quote it when you ask for help. */
  request_id: string;
  /** Whether the same request may succeed later. */
  retryable: boolean;
  /** Which fields are wrong, when validation failed. */
  errors?: ProblemFieldDto[];
}
