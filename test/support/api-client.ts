/** An answer with its body parsed where it is JSON. */
export interface Answer<Body> {
  status: number;
  headers: Headers;
  body: Body;
}

// Tests read fields of many shapes; a wrong field is `undefined` and fails the expectation.
type Json = any;

/** Speaks to a running server as nobody, as a person or as a program. */
export class ApiClient {
  constructor(
    readonly baseUrl: string,
    private readonly credential: Record<string, string> = {},
  ) {}

  asUser(accessToken: string): ApiClient {
    return new ApiClient(this.baseUrl, { authorization: `Bearer ${accessToken}` });
  }

  asApiKey(key: string): ApiClient {
    return new ApiClient(this.baseUrl, { 'x-api-key': key });
  }

  get<Body = Json>(path: string, headers: Record<string, string> = {}): Promise<Answer<Body>> {
    return this.send('GET', path, undefined, headers);
  }

  post<Body = Json>(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<Body>> {
    return this.send('POST', path, body, headers);
  }

  put<Body = Json>(path: string, body?: unknown): Promise<Answer<Body>> {
    return this.send('PUT', path, body);
  }

  patch<Body = Json>(path: string, body?: unknown): Promise<Answer<Body>> {
    return this.send('PATCH', path, body);
  }

  delete<Body = Json>(path: string): Promise<Answer<Body>> {
    return this.send('DELETE', path);
  }

  /** Sends a file with further form fields. */
  upload<Body = Json>(content: Uint8Array | string, name: string, options: { type?: string; fields?: Record<string, string>; headers?: Record<string, string> } = {}): Promise<Answer<Body>> {
    const form = new FormData();
    for (const [field, value] of Object.entries(options.fields ?? {})) form.set(field, value);
    form.set('file', new File([content], name, { type: options.type ?? '' }));
    return this.send('POST', '/api/v1/ingest/file', form, options.headers);
  }

  /** Anything at all: FormData and strings go as they are, everything else as JSON. */
  async send<Body = Json>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<Body>> {
    const raw = body === undefined || typeof body === 'string' || body instanceof FormData || body instanceof Uint8Array;
    const response = await fetch(`${this.baseUrl}${path}`, {
      method,
      headers: { ...(raw ? {} : { 'content-type': 'application/json' }), ...this.credential, ...headers },
      ...(body === undefined ? {} : { body: raw ? (body as string | FormData | Uint8Array<ArrayBuffer>) : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as Body };
  }
}
