import { lookup } from 'node:dns/promises';
import type { LookupAddress } from 'node:dns';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, buildConnector, fetch as undiciFetch } from 'undici';
import { inSpan } from '../tracing/tracing.js';
import { AllowList, isGlobalUnicast, isSameAddress, parseTarget } from './address-policy.js';
import type { Target } from './address-policy.js';
import { UrlNotAllowed, UrlTimedOut, UrlTooLarge } from './outbound.errors.js';

/** Asks for every address of a name, IPv4 first. */
export type Resolve = (host: string) => Promise<LookupAddress[]>;

export interface OutboundOptions {
  /** `host` or `host:port` that may be reached although they are not public (`OUTBOUND_ALLOW`). */
  allow?: readonly string[];
  /** Name lookup and connection, each; 5 s. */
  connectTimeoutMs?: number;
  /** From the call to the last byte of the body, all redirects together; 30 s. */
  totalTimeoutMs?: number;
  /** Of one body, after decompression; 32 MiB. */
  maxBytes?: number;
  resolve?: Resolve;
  /** Is told of every call. */
  note?: (outcome: OutboundOutcome, seconds: number) => void;
}

/** The class of the answer's status; `refused` by the address policy; `abandoned` by whoever called; `failed` for everything else. */
export type OutboundOutcome = '2xx' | '3xx' | '4xx' | '5xx' | 'refused' | 'timeout' | 'failed' | 'abandoned';

export interface OutboundInit extends RequestInit {
  /** How many redirects a GET or HEAD may follow; 0 hands the 3xx to the caller. Other methods never follow. */
  maxRedirects?: number;
  maxBytes?: number;
  totalTimeoutMs?: number;
}

const KEPT_ACROSS_ORIGINS = ['accept', 'accept-language', 'user-agent'];
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const resolveAll: Resolve = (host) => lookup(host, { all: true, order: 'ipv4first' });

/** The one HTTP client for addresses that users name, so that none of them leads into our own network. */
export class Outbound {
  private readonly agent: Agent;
  private readonly allowed: AllowList;
  private readonly resolve: Resolve;
  private readonly connectTimeoutMs: number;
  private readonly totalTimeoutMs: number;
  private readonly maxBytes: number;
  private readonly note: (outcome: OutboundOutcome, seconds: number) => void;

  constructor(options: OutboundOptions = {}) {
    this.allowed = new AllowList(options.allow ?? []);
    this.resolve = options.resolve ?? resolveAll;
    this.connectTimeoutMs = options.connectTimeoutMs ?? 5_000;
    this.totalTimeoutMs = options.totalTimeoutMs ?? 30_000;
    this.maxBytes = options.maxBytes ?? 32 * 1024 * 1024;
    this.note = options.note ?? (() => undefined);
    this.agent = new Agent({ connect: (request, done) => void this.connect(request, done) });
  }

  /**
   * WHATWG `fetch`, detachable, so that a vendor's client can be given it. `init.redirect` is ignored.
   * @throws UrlNotAllowed when the address is refused, unknown or unreachable; UrlTimedOut; the reason of
   * `init.signal` when that is aborted. Reading the body throws UrlTooLarge or UrlTimedOut.
   */
  readonly fetch = async (input: string | URL | Request, init: OutboundInit = {}): Promise<Response> => {
    const { maxRedirects = 0, maxBytes = this.maxBytes, totalTimeoutMs = this.totalTimeoutMs, ...rest } = init;
    const asked = input instanceof Request ? new Request(input, rest) : undefined;
    const url = new URL(input instanceof Request ? input.url : input);
    const method = (asked?.method ?? rest.method ?? 'GET').toUpperCase();
    const caller = asked?.signal ?? rest.signal ?? undefined;
    const timeout = AbortSignal.timeout(totalTimeoutMs);
    const signal = caller ? AbortSignal.any([caller, timeout]) : timeout;
    const failure = (error: unknown): unknown =>
      timeout.aborted && !caller?.aborted ? new UrlTimedOut(totalTimeoutMs) : error;

    const request: RequestInit = { ...rest, method, signal, headers: asked?.headers ?? new Headers(rest.headers) };
    if (asked?.body) Object.assign(request, { body: asked.body, duplex: 'half' });
    const hops = method === 'GET' || method === 'HEAD' ? maxRedirects : 0;
    const response = await this.noted(url, { method, caller }, () =>
      this.follow(url, request, hops).catch((error: unknown) => {
        throw caller?.aborted ? error : failure(error);
      }),
    );
    return capped(response, maxBytes, failure);
  };

  /**
   * Checks a URL as `fetch` would, without connecting: for addresses that are stored now and called later.
   * @throws UrlNotAllowed
   */
  async assertAllowed(url: string | URL): Promise<void> {
    const target = parseTarget(url);
    if (!target) throw new UrlNotAllowed();
    await this.checkedAddresses(target);
  }

  /**
   * Checks an address that is stored now and called later, whether or not anything runs there. A name that the operator has listed need not
   * be known yet, as that of a container that is still to come; any other must be, or blocked names could be told from unknown ones.
   * @throws UrlNotAllowed
   */
  async assertStorable(target: Target): Promise<void> {
    if (!this.allowed.has(target.host, target.port)) await this.checkedAddresses(target);
  }

  /**
   * The addresses of a host, all of them allowed: for protocols other than HTTP, which then connect to one of these.
   * @throws UrlNotAllowed when any address is not global unicast and the host is not on the list, or there is none
   */
  async checkedAddresses({ host, port, literal }: Target): Promise<LookupAddress[]> {
    const addresses = literal ? [{ address: host, family: host.includes(':') ? 6 : 4 }] : await this.ask(host);
    const safe = this.allowed.has(host, port) || addresses.every(({ address }) => isGlobalUnicast(address));
    if (!safe || addresses.length === 0) throw new UrlNotAllowed();
    return addresses;
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  /** Others are told of no trace: whoever a user named has no business with ours. Nor does a trace tell of more than the host: paths and queries carry secrets. */
  private noted(url: URL, { method, caller }: { method: string; caller: AbortSignal | undefined }, call: () => Promise<Response>): Promise<Response> {
    return inSpan(method, 'CLIENT', { 'http.request.method': method, 'server.address': url.hostname }, async (span) => {
      const begunMs = performance.now();
      let outcome: OutboundOutcome = 'failed';
      try {
        const response = await call();
        span?.setAttribute('http.response.status_code', response.status);
        outcome = `${Math.floor(response.status / 100)}xx` as OutboundOutcome;
        return response;
      } catch (error) {
        outcome = caller?.aborted ? 'abandoned' : outcomeOf(error);
        throw error;
      } finally {
        this.note(outcome, (performance.now() - begunMs) / 1000);
      }
    });
  }

  private async ask(host: string): Promise<LookupAddress[]> {
    const done = new AbortController();
    const late = delay(this.connectTimeoutMs, undefined, { signal: done.signal, ref: false }).then(() => {
      throw new Error(`No address of ${host} within ${this.connectTimeoutMs} ms.`);
    });
    try {
      return await Promise.race([this.resolve(host), late]);
    } catch (cause) {
      throw new UrlNotAllowed({ transient: true, cause });
    } finally {
      done.abort();
    }
  }

  private async follow(url: URL, request: RequestInit, hopsLeft: number): Promise<Response> {
    const response = await this.once(url, request);
    const location = response.headers.get('location');
    if (hopsLeft === 0 || location === null || !REDIRECTS.has(response.status)) return response;
    await response.body?.cancel();
    const next = URL.parse(location, url.href);
    if (!next) throw new UrlNotAllowed();
    const headers = next.origin === url.origin ? request.headers : onlyHarmless(new Headers(request.headers));
    return this.follow(next, { ...request, headers }, hopsLeft - 1);
  }

  private async once(url: URL, request: RequestInit): Promise<Response> {
    if (!parseTarget(url)) throw new UrlNotAllowed();
    // Global and undici types of fetch describe the same standard but are not assignable to each other.
    const send = undiciFetch as unknown as (url: URL, init: unknown) => Promise<Response>;
    try {
      return await send(url, { ...request, redirect: 'manual', dispatcher: this.agent });
    } catch (error) {
      if (request.signal?.aborted) throw error;
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      throw cause instanceof UrlNotAllowed ? cause : new UrlNotAllowed({ transient: true, cause });
    }
  }

  /** Every new connection passes here, whichever redirect or pool asked for it. */
  private async connect(request: buildConnector.Options, done: buildConnector.Callback): Promise<void> {
    try {
      const target = parseTarget(`${request.protocol}//${request.host ?? request.hostname}`);
      if (!target) throw new UrlNotAllowed();
      const addresses = await this.checkedAddresses(target);
      const dial = buildConnector({
        timeout: this.connectTimeoutMs,
        allowH2: false,
        // The addresses that were checked, not a second answer of the name server, which may differ (DNS rebinding).
        lookup: (_host, options, answer) =>
          options.all ? answer(null, addresses) : answer(null, addresses[0]!.address, addresses[0]!.family),
      });
      dial(request, (error, socket) => {
        if (error) return done(error, null);
        const peer = socket.remoteAddress ?? '';
        if (addresses.some(({ address }) => isSameAddress(address, peer))) return done(null, socket);
        socket.destroy();
        done(new UrlNotAllowed(), null);
      });
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)), null);
    }
  }
}

function outcomeOf(error: unknown): OutboundOutcome {
  if (error instanceof UrlTimedOut) return 'timeout';
  return error instanceof UrlNotAllowed && !error.transient ? 'refused' : 'failed';
}

/** Any other header may be a credential (`x-api-key`), so the rest stays with the origin it was meant for. */
function onlyHarmless(headers: Headers): Headers {
  return new Headers([...headers].filter(([name]) => KEPT_ACROSS_ORIGINS.includes(name)));
}

function capped(response: Response, maxBytes: number, failure: (error: unknown) => unknown): Response {
  const body = response.body && cappedBody(response.body.getReader(), maxBytes, failure);
  const { status, statusText, headers, url } = response;
  return Object.defineProperty(new Response(body, { status, statusText, headers }), 'url', { value: url });
}

function cappedBody(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  maxBytes: number,
  failure: (error: unknown) => unknown,
): ReadableStream<Uint8Array> {
  let bytes = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const part = await reader.read().catch((error: unknown) => {
        throw failure(error);
      });
      if (part.done) return controller.close();
      bytes += part.value.byteLength;
      if (bytes <= maxBytes) return controller.enqueue(part.value);
      await reader.cancel();
      throw new UrlTooLarge(maxBytes);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
