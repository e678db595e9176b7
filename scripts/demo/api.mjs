// The demo's HTTP client. It expects things, and says so when they are otherwise.
import { isDeepStrictEqual } from 'node:util';

const TIMEOUT_MS = 30_000;

/** The server did something else than it promises. */
export class Unexpected extends Error {
  constructor(what, expected, came) {
    super(what);
    this.expected = expected;
    this.came = came;
  }
}

/** No answer came. `wasThere` tells a server that stopped answering from one that was never started. */
export class Unreachable extends Error {
  constructor(what, reason, wasThere) {
    super(reason);
    this.what = what;
    this.wasThere = wasThere;
  }
}

export function expect(what, expected, came) {
  if (!isDeepStrictEqual(came, expected)) throw new Unexpected(what, expected, came);
}

export function expectThat(condition, what, expected, came) {
  if (!condition) throw new Unexpected(what, expected, came);
}

let answers = 0;

async function send(url, init) {
  try {
    const response = await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await response.text();
    answers += 1;
    return { response, text };
  } catch (error) {
    const reason = error.name === 'TimeoutError' ? `none within ${TIMEOUT_MS / 1000} s` : (error.cause?.code ?? error.cause?.message ?? error.message);
    throw new Unreachable(`${init.method} ${url.pathname}`, reason, answers > 0);
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Speaks to one server with one credential, or with none. */
export class Api {
  #url;
  #headers;

  constructor(url, headers = {}) {
    this.#url = url;
    this.#headers = headers;
  }

  as(headers) {
    return new Api(this.#url, headers);
  }

  /** Answers the parsed body of a request that must end with `status`. */
  async call(status, method, path, body) {
    const isForm = body instanceof FormData;
    const { response, text } = await send(new URL(path, this.#url), {
      method,
      headers: { ...this.#headers, ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined || isForm ? body : JSON.stringify(body),
    });
    const answer = parse(text);
    if (response.status !== status) throw new Unexpected(`${method} ${path}`, `status ${status}`, `status ${response.status}: ${text.replace(/\s+/g, ' ').slice(0, 600)}`);
    return answer;
  }

  /** The same for a refusal, which must be a problem document with this `code`. */
  async refused(status, code, method, path, body) {
    const problem = await this.call(status, method, path, body);
    expect(`${method} ${path}: the problem's code`, code, problem.code);
    return problem;
  }
}
