import helmet from 'helmet';

/** What Swagger UI needs, and nothing from elsewhere. */
const CONTENT_SECURITY_POLICY = {
  useDefaults: false,
  directives: {
    'default-src': ["'none'"],
    'script-src': ["'self'"],
    'style-src': ["'self'", "'unsafe-inline'"],
    'img-src': ["'self'", 'data:'],
    'connect-src': ["'self'"],
    'base-uri': ["'none'"],
    'form-action': ["'self'"],
    'frame-ancestors': ["'none'"],
  },
};

function headersOf(middleware: ReturnType<typeof helmet>): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  const response = { setHeader: (name: string, value: string) => (headers[name.toLowerCase()] = value), removeHeader: () => undefined };
  middleware({} as Parameters<typeof middleware>[0], response as unknown as Parameters<typeof middleware>[1], () => undefined);
  return headers;
}

/** For browsers of another age, and each costs every answer as much as one of our own checks. */
const OUTDATED = { xDnsPrefetchControl: false, xDownloadOptions: false, xPermittedCrossDomainPolicies: false, xXssProtection: false, originAgentCluster: false } as const;

/** Of every answer. Worked out once: helmet does it anew for each request, and nothing in ours depends on the request. */
const SECURITY_HEADERS = headersOf(helmet({ contentSecurityPolicy: CONTENT_SECURITY_POLICY, crossOriginResourcePolicy: { policy: 'same-site' }, ...OUTDATED }));

/** No answer is another's, unless a route says so itself. */
export function headersOfEveryAnswer(requestId: string): Record<string, string> {
  return { ...SECURITY_HEADERS, 'x-request-id': requestId, 'cache-control': 'no-store' };
}
