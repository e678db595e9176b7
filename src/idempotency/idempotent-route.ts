export const IDEMPOTENT = 'morag:idempotent';

/** What `@Idempotent` says of a route. */
export interface IdempotentRoute {
  /** Members of the answer that are shown once and kept nowhere: an answer that is repeated goes without them. */
  secrets?: readonly string[];
  /** The body is a form with a file, which is known only once it was received: whoever receives it calls `identifyForm`. */
  isForm?: boolean;
}
